"""An adapter for many servers over any bus: requests, answers, deadlines; no redis."""

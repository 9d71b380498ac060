"""The messages of a cluster as values and as bytes: pure, no gevent, no redis."""

"""Buses on Redis: connections, publishing, subscribing, streams."""

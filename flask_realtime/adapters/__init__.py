"""Which sockets are in which room, and how a broadcast reaches them."""

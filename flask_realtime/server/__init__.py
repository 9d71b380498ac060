"""Socket.IO: server, namespaces, sockets, broadcasts and acknowledgements."""

"""Engine.IO: sessions, transports, upgrade and heartbeat."""

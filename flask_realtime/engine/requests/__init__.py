"""HTTP requests of the engine: checks, polling, WebSocket handshakes."""

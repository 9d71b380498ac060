"""Long-polling and WebSocket as carriers of packets."""

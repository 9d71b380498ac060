"""The opening handshake of a WebSocket server (RFC 6455 §4.2), as pure functions."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha1
from typing import Any, Final

__all__ = ["accept_key", "handshake_problem", "is_upgrade"]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def is_upgrade(environ: Mapping[str, Any]) -> bool:
    """Say whether a WSGI request asks for the WebSocket protocol."""
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
        return False
    tokens = environ.get("HTTP_CONNECTION", "").lower().split(",")
    return "upgrade" in [token.strip() for token in tokens]


def handshake_problem(environ: Mapping[str, Any]) -> str | None:
    """Say what is wrong with an upgrade request; ``None`` when it can be accepted."""
    if environ.get("REQUEST_METHOD") != "GET":
        return "the method must be GET"
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return "HTTP/1.1 is required"
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        return "Sec-WebSocket-Version must be 13"
    try:
        key = b64decode(environ.get("HTTP_SEC_WEBSOCKET_KEY", ""), validate=True)
    except (binascii.Error, ValueError):
        return "Sec-WebSocket-Key is not base64"
    return None if len(key) == 16 else "Sec-WebSocket-Key must have 16 bytes"


def accept_key(key: str) -> str:
    """Return the value of ``Sec-WebSocket-Accept`` for the client's key."""
    return b64encode(sha1(key.encode("latin-1") + _GUID).digest()).decode("ascii")

"""The opening handshake of a WebSocket server (RFC 6455 §4.2), as pure functions."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from binascii import b2a_base64
from collections.abc import Mapping
from hashlib import sha1
from typing import Any, Final

__all__ = ["VERSION", "accept_key", "first_subprotocol", "handshake_problem", "is_upgrade"]

#: The only version of the protocol (RFC 6455 §4.4).
VERSION: Final = "13"

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OFFER: Final = "HTTP_SEC_WEBSOCKET_PROTOCOL"
# 16 bytes in base64: what each client sends.
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")
# The name of a subprotocol: a token (RFC 9110 §5.6.2).
_TOKEN: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


def is_upgrade(environ: Mapping[str, Any]) -> bool:
    """Say whether a WSGI request asks for the WebSocket protocol."""
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
        return False
    options = environ.get("HTTP_CONNECTION", "").lower()
    return options == "upgrade" or "upgrade" in [one.strip() for one in options.split(",")]


def handshake_problem(environ: Mapping[str, Any]) -> str | None:
    """Return what is wrong with an upgrade request; ``None`` when it can be accepted."""
    if environ.get("REQUEST_METHOD") != "GET":
        return "the method must be GET"
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return "HTTP/1.1 is required"
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != VERSION:
        return f"Sec-WebSocket-Version must be {VERSION}"
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    if _KEY.fullmatch(key) is None:
        return _key_problem(key)
    return _offer_problem(environ)


def _key_problem(key: str) -> str:
    try:
        b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return "Sec-WebSocket-Key is not base64"
    return "Sec-WebSocket-Key must have 16 bytes"


def _offer_problem(environ: Mapping[str, Any]) -> str | None:
    offer = environ.get(_OFFER)
    if offer is None:
        return None
    names = [name.strip(" \t") for name in offer.split(",")]
    if len(set(names)) < len(names):
        return "Sec-WebSocket-Protocol has a name twice"
    if not all(map(_TOKEN.fullmatch, names)):
        return "Sec-WebSocket-Protocol must be a list of tokens"
    return None


def first_subprotocol(environ: Mapping[str, Any]) -> str | None:
    """Return the subprotocol that the client prefers; ``None`` when it offers none."""
    offer: str | None = environ.get(_OFFER)
    return None if offer is None else offer.partition(",")[0].strip(" \t")


def accept_key(key: str) -> str:
    """Return the value of ``Sec-WebSocket-Accept`` for the client's key."""
    digest = sha1(key.encode("latin-1") + _GUID).digest()
    return b2a_base64(digest, newline=False).decode("ascii")

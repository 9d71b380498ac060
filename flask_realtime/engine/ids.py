"""Ids that cannot be guessed: of sessions and sockets, and those by which clients are recovered."""

from __future__ import annotations

from binascii import b2a_base64
from os import urandom

__all__ = ["new_id"]

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def new_id() -> str:
    """Return 20 characters of ``A-Z a-z 0-9 - _``: 120 random bits."""
    # What `secrets.token_urlsafe(15)` returns, without its five frames.
    return b2a_base64(urandom(15), newline=False).translate(_URL_SAFE).decode("ascii")

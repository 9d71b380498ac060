"""The head of a request, put together again from what a parser has made of it. Pure."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["proxy_head", "request_head"]

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def request_head(
    method: str, target: str, version: str, fields: Iterable[tuple[str, str]]
) -> bytes:
    """Return the bytes of a head (RFC 9112 §2.1).

    Args:
        method: The method.
        target: What followed it.
        version: ``HTTP/1.1`` or ``HTTP/1.0``.
        fields: The names and values of its fields.
    """
    lines = [f"{method} {target} {version}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in fields]
    return ("".join(lines) + "\r\n").encode("latin-1")


def proxy_head(info: Mapping[str, Any] | None, binary: bool = False) -> bytes:
    """Return what a proxy says of its client before the first request (PROXY protocol).

    Args:
        info: What gunicorn has read of it; nothing when there was none.
        binary: Whether version 2 of the protocol is spoken.
    """
    protocol = (info or {}).get("proxy_protocol")
    if not info or protocol not in ("TCP4", "TCP6"):
        return b""
    addresses = [str(info[name]) for name in ("client_addr", "proxy_addr")]
    ports = [int(info[name]) for name in ("client_port", "proxy_port")]
    if not binary:
        words = [protocol, *addresses, *map(str, ports)]
        return ("PROXY " + " ".join(words) + "\r\n").encode("ascii")
    block = b"".join(ipaddress.ip_address(address).packed for address in addresses)
    block += struct.pack("!HH", *ports)
    family = 0x11 if protocol == "TCP4" else 0x21
    return _SIGNATURE + struct.pack("!BBH", 0x21, family, len(block)) + block

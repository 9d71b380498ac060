"""What the ``cors`` option may name: origins as clients write them, patterns and functions.

An origin is compared letter by letter with what the client sends (RFC 6454 §6), so a text that
no client ever sends allows nothing. It is an error that names the right spelling.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ...functions import require_function

__all__ = ["DEFAULT_PORTS", "check_origins"]

#: The ports that an origin does not name.
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

#: Pages that have no origin to name: of files, and in sandboxed frames.
_NULL = "null"
_EXAMPLE = '"https://example.com"'
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
# What a pattern has and an origin has not. `?` and `#` begin a query and a fragment.
_WILD = frozenset("*^$|()\\{}+")
_BEGINNINGS = ("*", "^", "/")


def check_origins(value: Any) -> None:
    """Check an origin, a pattern, a function, or a list of these.

    Raises:
        TypeError: It is something else.
        ValueError: No origin can be equal to it.
    """
    if value == "*" or value is None or isinstance(value, bool):
        return
    if isinstance(value, re.Pattern):
        if not isinstance(value.pattern, str):
            raise TypeError(f"cors: a pattern must be of text, not {value.pattern!r}")
    elif isinstance(value, str):
        problem = _problem(value)
        if problem is not None:
            raise ValueError(f"cors: {value!r} matches no origin: {problem}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            if item == "*":
                # It would be the name of an origin, which none has.
                raise ValueError('cors: all origins are origin="*", without a list')
            check_origins(item)
    else:
        require_function(value, "cors: an origin")


def _problem(text: str) -> str | None:
    if text == _NULL:
        return None
    if not text.isprintable() or " " in text:
        return "it has white space or a control character"
    if "," in text:
        return "several origins are a list of texts"
    scheme, separator, rest = text.removeprefix("//").partition("://")
    if not _WILD.isdisjoint(rest) or scheme.startswith(_BEGINNINGS):
        return f'a pattern is written re.compile(r"…"), such as {_suggested_pattern(text)}'
    if not separator or not _SCHEME.fullmatch(scheme):
        return f"write the scheme as well, such as {_with_scheme(text)}"
    try:
        right = _spelled(urlsplit(text))
    except ValueError as error:
        return f"{error}; write it like {_EXAMPLE}"
    return None if right == text else f'browsers write it "{right}"'


def _spelled(parts: SplitResult) -> str:
    """Return the origin of a URL as clients write it; ValueError for none."""
    scheme, host, port = parts.scheme, parts.netloc.rpartition("@")[2], parts.port
    if port is not None or host.endswith(":"):
        host = host.rpartition(":")[0]
    if scheme in DEFAULT_PORTS:
        host = _host(host)
        if not host:
            raise ValueError("it has no host")
    default = port is None or port == DEFAULT_PORTS.get(scheme)
    return f"{scheme}://{host}" if default else f"{scheme}://{host}:{port}"


def _host(host: str) -> str:
    if host.startswith("["):
        if "." in host:
            return host.lower()  # an IPv4 address inside: Python's versions write it differently
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
    return host.lower() if host.isascii() else host.encode("idna").decode("ascii")


def _with_scheme(text: str) -> str:
    host = text.lstrip("/").partition("/")[0]
    return f'"https://{host}"' if host else _EXAMPLE


def _suggested_pattern(text: str) -> str:
    if not _WILD.difference("*").isdisjoint(text) or text.startswith("/"):
        return 're.compile(r"https://[a-z]+\\.example\\.com")'
    # A wildcard, as other servers write it: a name, or a port.
    written = re.escape(text).replace(r"\-", "-")
    written = written.replace(r":\*", r":\d+").replace(r"\*", "[a-z0-9-]+")
    return f're.compile(r"{written}")'

"""Text from clients and applications, made safe for a log line.

A name with a line break would forge a line, one with an escape sequence would control the
terminal, and one of a megabyte would fill the disk. Each function here returns one line of
printable characters, of bounded length. Every text that is logged passes through one of them.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["named", "quoted", "shown"]

#: Characters of a text that are shown.
LIMIT = 200

# A name that stands out in a line without quotes.
_PLAIN = re.compile(r"[\w/.:@#?&=+%~*$!-]+")


def shown(value: object, limit: int = LIMIT) -> str:
    """Return a text as it stands, for the end of a line; escaped where it cannot be printed.

    Args:
        value: A text, or what ``str`` makes one of, such as an exception.
        limit: The characters that are shown.
    """
    text = value if isinstance(value, str) else str(value)
    cut = text[:limit]
    if not cut.isprintable():
        cut = repr(cut)[1:-1]
    return cut if len(text) <= limit else f"{cut}… ({len(text)} characters)"


def named(name: str, limit: int = LIMIT) -> str:
    """Return a name, of a namespace or a socket: in quotes unless it is one plain word."""
    if len(name) <= limit and (name.isalnum() or _PLAIN.fullmatch(name)):
        return name
    return quoted(name, limit)


def quoted(value: Any, limit: int = LIMIT) -> str:
    """Return the ``repr`` of a value; of a text, that of its beginning."""
    if not isinstance(value, str):
        return shown(repr(value), limit)
    text = repr(value[:limit])
    return text if len(value) <= limit else f"{text}… ({len(value)} characters)"

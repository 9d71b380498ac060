"""The ``Sec-WebSocket-Extensions`` header (RFC 6455 §9.1): text to offers.

Grammar only: extensions themselves are not known here.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["Offer", "parse_offers"]

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_NAME = re.compile(rf"[ \t]*({_TOKEN})[ \t]*")
# Without its backslashes, a quoted value is a token as well.
_QUOTED: Final = r'"((?:\\?[!#$%&\'*+\-.^_`|~0-9A-Za-z])+)"'
_PARAMETER = re.compile(rf";[ \t]*({_TOKEN})[ \t]*(?:=[ \t]*(?:({_TOKEN})|{_QUOTED})[ \t]*)?")
_NOTHING = re.compile(r"[ \t]*(?=,|$)")


class Offer(NamedTuple):
    """One extension with its parameters, in their order and with their repetitions."""

    name: str
    #: Names and values; ``None`` for a parameter without a value.
    parameters: tuple[tuple[str, str | None], ...] = ()


def parse_offers(header: str) -> list[Offer]:
    """Return the offers of a client, the most preferred first.

    Args:
        header: The value of the header; several headers are joined with commas.

    Raises:
        ValueError: It does not match the grammar of RFC 6455 §9.1.
    """
    offers: list[Offer] = []
    position = 0
    while True:
        # Lists may have empty elements (RFC 9110 §5.6.1).
        found = _NOTHING.match(header, position)
        if found is None:
            offer, position = _parse_offer(header, position)
            offers.append(offer)
        else:
            position = found.end()
        if position == len(header):
            return offers
        if header[position] != ",":
            raise ValueError(f"Sec-WebSocket-Extensions is malformed at character {position}")
        position += 1


def _parse_offer(header: str, position: int) -> tuple[Offer, int]:
    found = _NAME.match(header, position)
    if found is None:
        raise ValueError(f"Sec-WebSocket-Extensions is malformed at character {position}")
    name = found[1]
    parameters: list[tuple[str, str | None]] = []
    position = found.end()
    while found := _PARAMETER.match(header, position):
        key, token, quoted = found.groups()
        value = token if quoted is None else quoted.replace("\\", "")
        parameters.append((key, value))
        position = found.end()
    return Offer(name, tuple(parameters)), position

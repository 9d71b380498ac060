"""Which permessage-deflate a server and a client agree on (RFC 7692 §7.1), as pure functions."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..options import MAX_WINDOW_BITS, MIN_WINDOW_BITS, DeflateSettings
from .websocket_extensions import parse_offers

__all__ = ["Agreement", "agree"]

_NAME: Final = "permessage-deflate"
_FLAGS: Final = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS: Final = ("server_max_window_bits", "client_max_window_bits")
# Text, so that "08", "+9" and "9.0" are refused.
_BITS: Final = {str(bits): bits for bits in range(MIN_WINDOW_BITS, MAX_WINDOW_BITS + 1)}


class Agreement(NamedTuple):
    """The parameters of one connection.

    Attributes:
        server_bits: The window of what the server sends, as a power of two.
        client_bits: The window of what the client sends.
        server_takeover: Whether the server's messages may refer to those before them.
        client_takeover: Whether the client's messages may.
        answer: The value of ``Sec-WebSocket-Extensions`` in the answer.
    """

    server_bits: int
    client_bits: int
    server_takeover: bool
    client_takeover: bool
    answer: str


def agree(header: str, settings: DeflateSettings) -> Agreement | None:
    """Accept the first acceptable offer; ``None`` when there is none.

    Args:
        header: The ``Sec-WebSocket-Extensions`` of the client.
        settings: Those of the server.

    Raises:
        ValueError: The header does not conform to RFC 6455.
    """
    for offer in parse_offers(header):
        if offer.name == _NAME:
            parameters = _read(offer.parameters)
            agreement = None if parameters is None else _accept(parameters, settings)
            if agreement is not None:
                return agreement
    return None


def _read(parameters: tuple[tuple[str, str | None], ...]) -> dict[str, int | None] | None:
    """Return the parameters of an offer; ``None`` when it must be declined (RFC 7692 §7.1)."""
    found: dict[str, int | None] = {}
    for name, value in parameters:
        if name in found:
            return None
        if name in _FLAGS and value is None:
            found[name] = None
        elif name in _WINDOWS and value in _BITS:
            found[name] = _BITS[value]
        elif name == "client_max_window_bits" and value is None:
            # The client accepts a limit, and states none of its own.
            found[name] = None
        else:
            return None
    return found


def _accept(offer: dict[str, int | None], settings: DeflateSettings) -> Agreement | None:
    limit = offer.get("server_max_window_bits") or MAX_WINDOW_BITS
    server_bits = min(settings.server_max_window_bits, limit)
    client_bits = settings.client_max_window_bits
    if "client_max_window_bits" in offer:
        client_bits = min(client_bits, offer["client_max_window_bits"] or MAX_WINDOW_BITS)
    elif client_bits < MAX_WINDOW_BITS:
        # The client does not accept a window limit (§7.1.2.2).
        return None
    server_takeover = not (settings.server_no_context_takeover or _FLAGS[0] in offer)
    client_takeover = not (settings.client_no_context_takeover or _FLAGS[1] in offer)
    answer = [_NAME]
    if not server_takeover:
        answer.append(_FLAGS[0])
    if not client_takeover:
        answer.append(_FLAGS[1])
    if server_bits < MAX_WINDOW_BITS or "server_max_window_bits" in offer:
        answer.append(f"server_max_window_bits={server_bits}")
    if client_bits < MAX_WINDOW_BITS:
        answer.append(f"client_max_window_bits={client_bits}")
    return Agreement(server_bits, client_bits, server_takeover, client_takeover, "; ".join(answer))

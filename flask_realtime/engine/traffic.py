"""Counters of what goes in and out, for all sessions of a server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Source", "Traffic", "collect"]

Source = Callable[[], Mapping[str, float]]


class Traffic:
    """Sums since the start.

    Attributes:
        messages_in: Messages that clients have sent, with their attachments.
        messages_out: Messages that were sent to clients, with their attachments, once for each
            client.
        bytes_in: Bytes of frames and bodies that clients have sent.
        bytes_out: Bytes of frames and bodies that were sent to clients.
    """

    __slots__ = ("bytes_in", "bytes_out", "messages_in", "messages_out")

    def __init__(self) -> None:
        self.messages_in: int = 0
        self.messages_out: int = 0
        self.bytes_in: int = 0
        self.bytes_out: int = 0


def collect(
    sessions: Collection[Session], traffic: Traffic, lag: float, sources: Iterable[Source]
) -> dict[str, float]:
    """Return the counters by name, as ``io.engine.stats()`` documents them.

    Args:
        sessions: The open ones.
        traffic: The sums.
        lag: For how many seconds something kept the hub from its work.
        sources: Each returns more counters.
    """
    polling = sum(session.transport_name == "polling" for session in sessions)
    found: dict[str, float] = {
        "clients": len(sessions),
        "polling_clients": polling,
        "websocket_clients": len(sessions) - polling,
        "messages_in": traffic.messages_in,
        "messages_out": traffic.messages_out,
        "bytes_in": traffic.bytes_in,
        "bytes_out": traffic.bytes_out,
        "outbox_bytes": sum(session.buffered_bytes for session in sessions),
        "hub_lag": lag,
    }
    for source in sources:
        found.update(source())
    return found

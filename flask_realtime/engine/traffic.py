"""Counters of what goes in and out, for all sessions of a server."""

from __future__ import annotations

__all__ = ["Traffic"]


class Traffic:
    """Sums since the start.

    Attributes:
        messages_in: Messages that clients have sent.
        messages_out: Messages that were sent to clients, once for each of them.
        bytes_in: Bytes of frames and bodies that clients have sent.
        bytes_out: Bytes of frames and bodies that were sent to clients.
    """

    __slots__ = ("bytes_in", "bytes_out", "messages_in", "messages_out")

    def __init__(self) -> None:
        self.messages_in = 0
        self.messages_out = 0
        self.bytes_in = 0
        self.bytes_out = 0

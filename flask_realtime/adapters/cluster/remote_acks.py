"""Acknowledgements of clients of this server that another server waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from ..wire.messages import ClientAnswer, ClientCount
from ..wire.values import answer_of
from .bus import Bus

__all__ = ["RemoteAcks"]


class RemoteAcks:
    """Passes answers on to the server that asked, until the last one or the deadline.

    Args:
        bus: Reaches that server.
        origin: Its id.
        request_id: That of its request.
    """

    def __init__(self, bus: Bus, origin: str, request_id: str) -> None:
        self._bus = bus
        self._origin = origin
        self._request_id = request_id
        self._missing = 0
        self._forget: list[Callable[[], None]] = []
        self._timer: gevent.Greenlet[..., Any] | None = None

    def on_end(self, forget: Callable[[], None]) -> None:
        """Call ``forget`` at the end: answers that come later are not passed on."""
        self._forget.append(forget)

    def expect(self, count: int) -> None:
        """Tell the other server how many clients are asked: it waits for as many answers."""
        self._missing += count
        self._bus.respond(self._origin, ClientCount(self._request_id, count))

    def start(self, timeout: float) -> None:
        """Begin the deadline of ``timeout`` seconds: all clients have been asked."""
        if self._missing > 0:
            self._timer = gevent.spawn_later(timeout, self._end)
        else:
            self._end()

    def hold(self) -> None:
        """Do nothing: the other server does the waiting."""

    def release(self) -> None:
        """Do nothing: the other server does the waiting."""

    def respond(self, *args: Any) -> None:
        """Pass the values of a client's acknowledgement on."""
        values = answer_of(args)
        answer = ClientAnswer(self._request_id, values[0] if values else None, tuple(values[1:]))
        self._bus.respond(self._origin, answer)
        self._settle()

    def disconnected(self, reason: str) -> None:
        """A client has left.

        The formats have no message for it: the server that asked waits until its deadline, as
        a server of Node does, and gets the answers of the others.
        """
        self._settle()

    def _settle(self) -> None:
        self._missing -= 1
        if self._missing <= 0 and self._timer is not None:
            self._timer.kill(block=False)
            self._end()

    def _end(self) -> None:
        self._timer = None
        forget, self._forget = self._forget, []
        for function in forget:
            function()

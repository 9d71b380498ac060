"""Handing a request over to the worker of its session: what this worker does.

It keeps a duplicate of the connection until the sibling has confirmed, and serves the request
itself when the sibling goes away before.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from gevent.monkey import get_original

from ...quoting import named, shown
from .frames import Kind, join_numbers, join_parts
from .link import Link, LinkFull, LinkLost
from .mesh import Mesh
from .pump import Pump
from .request import Grip, Release

__all__ = ["Handover", "NotTaken", "Parcel"]

logger = logging.getLogger(__name__)

# Not gevent's, which first looks for greenlets that wait: none does for a duplicate.
_close: Callable[[int], None] = get_original("os", "close")

#: Connections that a sibling has not confirmed yet.
MAX_UNCONFIRMED = 64


class NotTaken(Exception):
    """The sibling cannot take the request now; this worker still has it."""


class Parcel(NamedTuple):
    """A connection with its request."""

    kind: Kind
    #: How often the request has been handed over, this time included.
    hops: int
    #: The ``peer`` and the ``local`` address where the descriptor does not have them; of an
    #: upgrade its ``environ``, and whether it is ``upgraded`` already.
    about: dict[str, Any]
    #: What the host reads of it, or has read beyond the head of an upgrade.
    data: bytes
    #: Who has the parcel closes it.
    descriptor: int


class Handover:
    """The requests that this worker hands over.

    Args:
        mesh: Reaches the siblings.
        returned: Serves a parcel whose sibling went away.
    """

    def __init__(self, mesh: Mesh, returned: Callable[[Parcel], None]) -> None:
        self._mesh = mesh
        self._returned = returned
        self._release = Release()
        self._numbers = itertools.count(1)
        self._unconfirmed: dict[str, dict[int, Parcel]] = {}
        self._pumps: set[Pump] = set()
        self._told: set[str] = set()
        #: Counters for :meth:`Siblings.stats`.
        self.handed_over: int = 0
        self.refused: int = 0

    def request(self, grip: Grip, tag: str, hops: int) -> Iterable[bytes]:
        """Hand a request over; it comes to the sibling's host as it came to this one.

        Args:
            grip: The request.
            tag: The sibling.
            hops: How often it has been handed over, this time included.

        Raises:
            NotTaken: It has not been.
        """
        rest = grip.take_rest()
        try:
            return self._hand_over(grip, tag, Kind.CONNECTION, hops, {}, grip.head() + rest)
        except NotTaken:
            grip.put_back(rest)
            raise

    def upgrade(self, grip: Grip, tag: str, environ: Mapping[str, Any]) -> Iterable[bytes]:
        """Hand an upgrade over; the sibling's engine gets it without its host.

        Args:
            grip: The request.
            tag: The sibling.
            environ: The request; what of it is text arrives.

        Raises:
            NotTaken: It has not been.
        """
        rest = grip.take_rest()
        about = {
            "environ": {name: value for name, value in environ.items() if isinstance(value, str)},
            "upgraded": environ.get("wsgi.websocket") is not None,
        }
        try:
            return self._hand_over(grip, tag, Kind.UPGRADE, 1, about, rest)
        except NotTaken:
            grip.put_back(rest)
            raise

    def _hand_over(
        self, grip: Grip, tag: str, kind: Kind, hops: int, about: dict[str, Any], data: bytes
    ) -> Iterable[bytes]:
        sock = grip.socket
        pump = None
        try:
            if grip.is_tls:
                about["peer"], about["local"] = sock.getpeername(), sock.getsockname()
                pump = Pump(sock)
                descriptor = os.dup(pump.outer.fileno())
            else:
                descriptor = os.dup(sock.fileno())
        except OSError as error:
            self._refuse(tag, error)
        try:
            self._send(tag, Parcel(kind, hops, about, data, descriptor))
        except NotTaken:
            _close(descriptor)
            if pump is not None:
                pump.abandon()
            raise
        self.handed_over += 1
        if pump is None:
            self._release(sock)
        else:
            self._run(pump)
        return grip.let_go()

    def _run(self, pump: Pump) -> None:
        self._pumps.add(pump)
        try:
            pump.run()
        finally:
            self._pumps.discard(pump)

    def _send(self, tag: str, parcel: Parcel) -> None:
        waiting = self._unconfirmed.setdefault(tag, {})
        if len(waiting) >= MAX_UNCONFIRMED:
            self._refuse(tag, "it hangs")
        number = next(self._numbers)
        payload = join_numbers(number, parcel.hops, join_parts(parcel.about, parcel.data))
        waiting[number] = parcel
        try:
            self._mesh.send(tag, parcel.kind, payload, parcel.descriptor)
        except (LinkFull, LinkLost, ValueError) as error:
            # The link may be broken now, and the parcel served already.
            if waiting.pop(number, None) is not None:
                self._refuse(tag, repr(error))

    def _refuse(self, tag: str, why: object) -> None:
        self.refused += 1
        if tag not in self._told:
            self._told.add(tag)
            logger.warning("! worker %s does not take connections: %s", named(tag), shown(why))
        raise NotTaken(str(why))

    @property
    def unconfirmed(self) -> int:
        """How many connections are on their way to a sibling."""
        return sum(map(len, self._unconfirmed.values()))

    def confirmed(self, tag: str, number: int) -> None:
        """The sibling has a connection."""
        parcel = self._unconfirmed.get(tag, {}).pop(number, None)
        if parcel is not None:
            _close(parcel.descriptor)
            self._told.discard(tag)

    def broken(self, link: Link) -> None:
        """What a sibling has not confirmed is this worker's again."""
        self._told.discard(link.tag)
        waiting = self._unconfirmed.pop(link.tag, {})
        parcels = list(waiting.values())
        # A sender that is at work on this link sees that its parcel is gone.
        waiting.clear()
        for parcel in parcels:
            self._returned(parcel)

    def drain(self) -> None:
        """Let the connections end that go through this worker."""
        for pump in self._pumps:
            pump.drain()

    def close(self) -> None:
        """Give up what was not confirmed."""
        for waiting in self._unconfirmed.values():
            for parcel in waiting.values():
                _close(parcel.descriptor)
        self._unconfirmed.clear()
        self._release.close()

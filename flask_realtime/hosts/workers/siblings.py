"""The workers of one host, as the middleware sees them: is this request served here?

A request that reached the wrong worker moves with its connection to the worker that has the
session, and a new session to one that has more room for it.
"""

from __future__ import annotations

import atexit
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any

import gevent
from gevent.event import Event
from werkzeug.wrappers import Response

from ...engine.engine import random_id
from ...engine.requests.host import HANDLER_KEY
from ...engine.requests.request import Request
from ...quoting import named, shown
from ...server.server import BaseServer
from ..finder import HOST_SOCKET_KEY
from .arrivals import Arrivals
from .directory import ForeignFolder, Meeting, listener_key, private_folder
from .enquiry import Enquiry, Unanswered
from .frames import Kind, join_parts, split_numbers, split_parts
from .handover import Handover, NotTaken, Parcel
from .link import Link
from .mesh import Mesh
from .network import Network
from .placement import State, TaggedIds, lightest, new_tag, tag_of
from .replay import ReplaySocket
from .request import Grip, grip
from .worker import Worker

__all__ = ["Siblings"]

logger = logging.getLogger(__name__)

#: Seconds that requests wait for the first word of the siblings, and the end of a worker for
#: their last one.
_READY = 1.0
#: Seconds between two looks at what siblings have to know; and at whether they are found.
_TICK, _LOOK = 0.2, 5.0
#: Seconds for what changes at the same time; and between two looks at the end.
_MOMENT, _STEP = 0.01, 0.05
#: Bytes of the number of a connection.
_NUMBER_LENGTH = 8
#: How often a new session is passed on by those who stop, which do not know of each other at
#: once: so often without a pause, and so often in all.
_QUICK_HOPS, _MOST_HOPS = 3, 20


class Siblings:
    """See the head of the file.

    Args:
        worker: The host of this process.
        server: The server.
        application: Answers requests that come from a sibling without their host.
    """

    def __init__(
        self, worker: Worker, server: BaseServer, application: Callable[..., Iterable[bytes]]
    ) -> None:
        self.tag: str = new_tag()
        self._worker = worker
        self._server = server
        self._engine = server.engine
        self._pid = os.getpid()
        folder = private_folder(worker.folder or tempfile.gettempdir())
        key = listener_key(worker.listeners, server.options.path, worker.by_address)
        meeting = Meeting(folder, key)
        meeting.clean()
        self._mesh = Mesh(meeting, self.tag, self)
        self.network: Network = Network(Meeting(folder, key + "-bus"), self.tag)
        self._arrivals = Arrivals(worker, application)
        self._handover = Handover(self._mesh, self._arrivals.take)
        self._enquiry = Enquiry(self._mesh, lambda sid: sid in self._engine.clients)
        self._states: dict[str, State] = {}
        #: Those that the log has named.
        self._present: set[str] = set()
        self._told = State(-1)
        self._wake = Event()
        self._ready = Event()
        self._told_protocol = False
        #: Whether the owner of a session can be read in its id.
        self._are_ids_tagged = self._engine.generate_id is random_id

    @classmethod
    def meet(
        cls, worker: Worker, server: BaseServer, application: Callable[..., Iterable[bytes]]
    ) -> Siblings | None:
        """Return the siblings of a worker; ``None`` when it cannot find any."""
        try:
            siblings = cls(worker, server, application)
            siblings.start()
        except (OSError, ForeignFolder) as error:
            logger.error("! the workers do not share sessions: %s", shown(error))
            return None
        return siblings

    def start(self) -> None:
        """Find the others.

        Raises:
            OSError: There is no place to meet.
        """
        try:
            self._mesh.start()
            self.network.start()
        except OSError:
            self._part()
            raise
        if self._are_ids_tagged:
            self._engine.generate_id = TaggedIds(self.tag)
        self._engine.add_stats(self.stats)
        atexit.register(self.close)
        gevent.spawn(self._begin)
        gevent.spawn(self._look_after)

    def _begin(self) -> None:
        deadline = monotonic() + _READY
        self._mesh.wait(_READY)
        self.network.wait(max(deadline - monotonic(), 0.0))
        self._ready.set()

    def close(self) -> None:
        """Leave; the requests that came from siblings have their time."""
        if os.getpid() != self._pid:
            return
        self._mesh.refuse()
        self._wait_for_requests()
        self._arrivals.stop()
        self._part()

    def _wait_for_requests(self) -> None:
        # They may go to and fro: a sibling that ends as well gives back what it has not
        # confirmed, and with this process the only copy of a connection would go that is still
        # on its way to a sibling.
        began = monotonic()
        patience = self._worker.patience
        while (waited := monotonic() - began) < max(patience, _READY):
            are_served = waited >= patience or not self._arrivals.count
            if are_served and not self._handover.unconfirmed:
                return
            # New sessions may wait for a worker that has just begun. It cannot find this one.
            self._mesh.find()
            gevent.sleep(_STEP)

    def wait_for_all(self, timeout: float) -> None:
        """Block until no sibling has a session: while all end, each takes requests for others."""
        deadline = monotonic() + timeout
        links = self._mesh.links
        while any(state.sessions for tag, state in self._states.items() if tag in links):
            if monotonic() > deadline:
                return
            gevent.sleep(_STEP)

    def _part(self) -> None:
        self._mesh.close()
        self.network.close()
        self._handover.close()

    def stats(self) -> dict[str, float]:
        """Return how many siblings there are, and counters."""
        return {
            "siblings": len(self._mesh.links),
            "siblings_handed_over": self._handover.handed_over,
            "siblings_taken": self._arrivals.taken,
            "siblings_refused": self._handover.refused,
            "siblings_dropped": self.network.dropped,
        }

    # What the middleware asks

    def route(self, request: Request) -> Iterable[bytes] | None:
        """Return the answer to a request that is served elsewhere; ``None`` when it is here."""
        environ, start_response = request.environ, request.start_response
        if request.problem is not None:
            return None
        hops = _hops(environ, start_response)
        if HOST_SOCKET_KEY in environ and not hops:
            return None
        sid = request.sid
        if sid is None:
            return self._place(environ, start_response, hops)
        if sid in self._engine.clients:
            return None
        try:
            tag = self._owner(sid)
        except Unanswered:
            return _unavailable(environ, start_response)
        if tag is None:
            return None
        if not hops:
            return self._pass_on(request, tag)
        # It has come back: its session may live on in a worker that is not reached.
        return None if environ.get("wsgi.websocket") else _unavailable(environ, start_response)

    def _owner(self, sid: str) -> str | None:
        """Return the worker that may have a session, which is not this one."""
        if not self._are_ids_tagged:
            self._ready.wait(_READY)
            return self._enquiry.owner(sid)
        tag = tag_of(sid)
        if tag == self.tag:
            return None
        self._ready.wait(_READY)
        return tag if self._mesh.may_live(tag, _READY) else None

    def _place(
        self, environ: dict[str, Any], start_response: Any, hops: int
    ) -> Iterable[bytes] | None:
        self._wake.set()
        if environ.get("REQUEST_METHOD") != "GET" or hops >= _MOST_HOPS:
            return None
        if (hops and not self._state().is_leaving) or environ.get("wsgi.websocket") is not None:
            # The host has answered 101: what middlewares have put into the environ would be
            # lost on the way to another worker.
            return None
        self._ready.wait(_READY)
        if hops >= _QUICK_HOPS:
            gevent.sleep(_TICK)
        began = monotonic()
        while True:
            own = self._state()
            tag = self._lightest(own)
            if tag is not None:
                try:
                    return self._move(environ, start_response, tag, hops)
                except NotTaken:
                    logger.debug("worker %s does not take a new session", named(tag))
            if not own.is_leaving or self._worker.is_last:
                return None
            if monotonic() >= began + self._worker.patience:
                return None
            self._mesh.changed.wait(_TICK)

    def _lightest(self, own: State) -> str | None:
        links = self._mesh.links
        return lightest(own, {tag: state for tag, state in self._states.items() if tag in links})

    def _move(
        self, environ: dict[str, Any], start_response: Any, tag: str, hops: int
    ) -> Iterable[bytes] | None:
        """Hand a new session over; ``None`` when its connection cannot move."""
        held = self._hold(environ, start_response)
        if held is None:
            return None
        state = self._states[tag]
        self._states[tag] = state._replace(sessions=state.sessions + 1)
        return self._handover.request(held, tag, hops + 1)

    def _pass_on(self, request: Request, tag: str) -> Iterable[bytes] | None:
        environ, start_response = request.environ, request.start_response
        held = self._hold(environ, start_response)
        if held is None:
            return None
        try:
            if request.is_upgrade:
                return self._handover.upgrade(held, tag, environ)
            return self._handover.request(held, tag, 1)
        except NotTaken:
            return _unavailable(environ, start_response)

    def _hold(self, environ: dict[str, Any], start_response: Any) -> Grip | None:
        held = grip(environ, start_response)
        if held is None and not self._told_protocol:
            self._told_protocol = True
            logger.warning(
                "! a request for another worker cannot be handed over: %s does not give its"
                " connection; it is answered here, where its session is not",
                shown(environ.get("SERVER_PROTOCOL", "this host")),
            )
        return held

    # What siblings say

    def joined(self, tag: str, link: Link) -> None:
        """A sibling can be sent to."""
        self._states.setdefault(tag, State(0))
        if tag not in self._present:
            self._present.add(tag)
            logger.info("+ worker %s joined", named(tag))
        link.send(Kind.STATE, join_parts(self._state()._asdict(), b""))

    def received(self, link: Link, kind: Kind, payload: bytes, descriptor: int | None) -> None:
        """A sibling has said something."""
        if descriptor is not None:
            self._take(link, kind, payload, descriptor)
            return
        if kind is Kind.TAKEN:
            self._handover.confirmed(link.tag, int.from_bytes(payload, "big"))
            return
        about, _ = split_parts(payload)
        if kind is Kind.STATE:
            self._states[link.tag] = State(int(about["sessions"]), bool(about["is_leaving"]))
        else:
            self._enquiry.received(link, kind, about)

    def _take(self, link: Link, kind: Kind, payload: bytes, descriptor: int) -> None:
        try:
            number, hops, parts = split_numbers(payload)
            parcel = Parcel(kind, hops, *split_parts(parts), descriptor)
            # Before anything else: one that is not confirmed is served by the sibling.
            link.send(Kind.TAKEN, number.to_bytes(_NUMBER_LENGTH, "big"))
        except BaseException:
            os.close(descriptor)
            raise
        self._arrivals.take(parcel)

    def broken(self, link: Link) -> None:
        """A link is over: what the sibling has not confirmed is served here."""
        self._handover.broken(link)

    def left(self, tag: str) -> None:
        """A sibling is gone."""
        self._states.pop(tag, None)
        if tag in self._present:
            self._present.discard(tag)
            logger.info("- worker %s left", named(tag))

    # From time to time

    def _state(self) -> State:
        leaving = self._engine.is_refusing or self._worker.is_ending
        return State(self._engine.clients_count, leaving)

    def _look_after(self) -> None:
        looked = monotonic()
        while True:
            self._wake.wait(_TICK)
            self._wake.clear()
            gevent.sleep(_MOMENT)
            state = self._state()
            if state != self._told:
                self._told = state
                self._mesh.send_to_all(Kind.STATE, join_parts(state._asdict(), b""))
            if self._engine.is_closed:
                self._handover.drain()
            if monotonic() - looked > _LOOK:
                looked = monotonic()
                self._mesh.look_after()
                self.network.look_after()


def _hops(environ: Mapping[str, Any], start_response: Any) -> int:
    """Return how often a request was handed over; the next on its connection begins anew."""
    sock = environ.get("gunicorn.socket") or environ.get("gunicorn.sock")
    if sock is None:
        handler = environ.get(HANDLER_KEY) or getattr(start_response, "__self__", None)
        sock = getattr(handler, "socket", None)
    if not isinstance(sock, ReplaySocket):
        return 0
    hops, sock.hops = sock.hops, 0
    return hops


def _unavailable(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    response = Response("Try again.\n", 503, {"Retry-After": "1"})
    return response(environ, start_response)

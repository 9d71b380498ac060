"""Questions to other servers that are not answered yet.

A request leaves the table exactly once: with the last answer, at its deadline, or when
nobody waits for it any more.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, Protocol

import gevent
from gevent.event import Event

from ...errors import ClusterTimeout
from ..base import AckCollector
from ..wire.messages import ClientAnswer, ClientCount, Response, ServerAnswer, SocketsFound

__all__ = ["BroadcastRequest", "PendingResponses", "Peers", "Pending", "RequestTable"]

#: Ids of servers that are remembered.
_MAX_PEERS = 1000
#: What senders call themselves that do not listen.
_NO_SERVERS = frozenset({"emitter"})


class Pending(Protocol):
    """A request that waits for responses."""

    def take(self, response: Response, origin: str) -> None:
        """A server has answered."""


class RequestTable:
    """The requests of one adapter by id."""

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, pending: Pending) -> str:
        """Expect responses; return the id of the request."""
        request_id = secrets.token_hex(8)
        self._pending[request_id] = pending
        return request_id

    def discard(self, request_id: str) -> None:
        """Expect responses no longer."""
        self._pending.pop(request_id, None)

    def take(self, response: Response, origin: str) -> None:
        """Pass a response to its request; one that nobody waits for is ignored."""
        pending = self._pending.get(response.request_id)
        if pending is not None:
            pending.take(response, origin)


class Peers:
    """The other servers that have been heard of, to name those that do not answer.

    It remembers a bounded number of ids; those of servers that are gone leave it when all
    that are left have answered.
    """

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def heard(self, uid: str) -> None:
        """A server has said something."""
        if not uid or uid in _NO_SERVERS:
            return
        self._ids.pop(uid, None)
        self._ids[uid] = None
        if len(self._ids) > _MAX_PEERS:
            del self._ids[next(iter(self._ids))]

    def only(self, uids: Iterable[str]) -> None:
        """These are all that there are."""
        wanted = set(uids)
        self._ids = {uid: None for uid in self._ids if uid in wanted}

    def silent(self, answered: Iterable[str], missing: int) -> list[str]:
        """Return the ids of the servers that are missing: those last heard of, at most so many."""
        left = [uid for uid in self._ids if uid not in set(answered)]
        return sorted(left[-missing:])


class PendingResponses:
    """One answer from each of the other servers, for a greenlet that waits.

    Args:
        expected: How many other servers there are.
        peers: Those that have been heard of.
    """

    def __init__(self, expected: int, peers: Peers) -> None:
        self._expected = expected
        self._peers = peers
        self._answers: list[Any] = []
        self._count = 0
        self._heard: set[str] = set()
        self._done = Event()

    def take(self, response: Response, origin: str) -> None:
        """A server has answered; a second answer of one that gives its id does not count."""
        if origin and origin in self._heard:
            return
        if isinstance(response, SocketsFound):
            self._answers.extend(response.sockets)
        elif isinstance(response, ServerAnswer):
            self._answers.append(response.value)
        else:
            return
        self._heard.add(origin)
        self._count += 1
        if self._count >= self._expected:
            self._done.set()

    def wait(self, timeout: float, found: list[Any]) -> list[Any]:
        """Block until all have answered.

        Args:
            timeout: Seconds.
            found: What this server contributes; the answers of the others are added.

        Raises:
            ClusterTimeout: Some did not answer; it carries what there is.
        """
        self._done.wait(timeout)
        answers = [*found, *self._answers]
        missing = self._expected - self._count
        if missing > 0:
            text = f"{missing} of {self._expected} servers did not answer within {timeout} s"
            silent = self._peers.silent(self._heard, missing)
            raise ClusterTimeout(text, answers, missing, silent)
        if "" not in self._heard:
            self._peers.only(self._heard)
        return answers


class BroadcastRequest:
    """A broadcast whose acknowledgements other servers pass on.

    The collector is held until each of them has said how many clients it has asked.
    """

    def __init__(self, collector: AckCollector) -> None:
        self._collector = collector
        self._counts = 0
        self._counted: set[str] = set()
        self._expected: int | None = None
        collector.hold()

    def expect(self, servers: int) -> None:
        """So many other servers will say how many clients they have asked."""
        self._expected = servers
        self._check()

    def take(self, response: Response, origin: str) -> None:
        """A server has counted its clients, once, or one of them has answered."""
        if isinstance(response, ClientAnswer):
            self._collector.respond(response.value)
        elif isinstance(response, ClientCount) and origin not in self._counted:
            if origin:
                self._counted.add(origin)
            self._counts += 1
            self._collector.expect(response.clients)
            self._check()

    def _check(self) -> None:
        if self._expected is not None and self._counts >= self._expected:
            self._expected = None
            # Not on the stack of whoever delivers responses: the end calls the application.
            gevent.spawn(self._collector.release)

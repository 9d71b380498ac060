"""Requests of this server that wait for responses of other servers.

A request leaves the table exactly once: with the last response, at its deadline, or when the
caller gives up.
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
        """Take a response; never blocks.

        Args:
            response: The response.
            origin: The id of the server that has sent it; empty where the format has none.
        """


class RequestTable:
    """The requests of one adapter by id."""

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, pending: Pending) -> str:
        """Add a request and return its id."""
        request_id = secrets.token_hex(8)
        self._pending[request_id] = pending
        return request_id

    def discard(self, request_id: str) -> None:
        """Drop a request; later responses to it are ignored."""
        self._pending.pop(request_id, None)

    def take(self, response: Response, origin: str) -> None:
        """Pass a response to its request; ignore it when there is none."""
        pending = self._pending.get(response.request_id)
        if pending is not None:
            pending.take(response, origin)


class Peers:
    """The ids of the other servers that have sent anything, to name those that do not answer.

    Their number is bounded. Ids of servers that are gone are dropped when a request has been
    answered by all that are left.
    """

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def heard(self, uid: str) -> None:
        """Note that a server has sent something."""
        if not uid or uid in _NO_SERVERS:
            return
        self._ids.pop(uid, None)
        self._ids[uid] = None
        if len(self._ids) > _MAX_PEERS:
            del self._ids[next(iter(self._ids))]

    def only(self, uids: Iterable[str]) -> None:
        """Keep these ids and drop the others."""
        wanted = set(uids)
        self._ids = {uid: None for uid in self._ids if uid in wanted}

    def silent(self, answered: Iterable[str], missing: int) -> list[str]:
        """Return the ids of the servers that have not answered, as far as they are known.

        Args:
            answered: The servers that have.
            missing: How many have not: the ones heard of last are returned, at most this many.
        """
        left = [uid for uid in self._ids if uid not in set(answered)]
        return sorted(left[-missing:])


class PendingResponses:
    """The responses of the other servers to one request, for a greenlet that waits for them.

    Args:
        expected: How many servers have to respond.
        peers: The ids of the other servers.
    """

    def __init__(self, expected: int, peers: Peers) -> None:
        self._expected = expected
        self._peers = peers
        self._answers: list[Any] = []
        self._count = 0
        self._heard: set[str] = set()
        self._done = Event()

    def take(self, response: Response, origin: str) -> None:
        """Take a response; a second one of the same server does not count."""
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
            found: What this server contributes itself.

        Returns:
            ``found`` and the answers of the other servers.

        Raises:
            ClusterTimeout: Some did not answer; it holds the answers of those that did.
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
        """Expect the counts of this many other servers."""
        self._expected = servers
        self._check()

    def take(self, response: Response, origin: str) -> None:
        """Take the count of a server, once, or the answer of one of its clients."""
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
            # Not on this greenlet, which delivers responses: the end calls the application.
            gevent.spawn(self._collector.release)

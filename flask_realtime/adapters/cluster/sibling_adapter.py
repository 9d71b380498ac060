"""The adapter of one worker among others, with connection state recovery in their memories.

Each worker keeps all broadcasts, in the order in which it has delivered them. A client that comes
back to another worker gets its state from the one where it was, with what it has missed there;
broadcasts that only one of the two has seen by then are told apart by the numbers that their
senders give them.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import gevent
from gevent.event import AsyncResult

from ...codec.message import Message
from ...codec.socket_packet import Packet
from ...options import RecoveryOptions
from ...quoting import named
from ..base import LocalSockets
from ..memory_log import is_for
from ..values import SavedSocket, Target
from ..wire.host import FindSession, FoundSession, SessionFound
from ..wire.messages import Broadcast, Request
from .adapter import ClusterAdapter
from .receiver import is_kept
from .sibling_bus import SiblingBus, SiblingNetwork

__all__ = ["SiblingAdapter"]

logger = logging.getLogger(__name__)

#: Seconds that workers have to say whether they know a client.
_DEADLINE = 3.0
#: Seconds by which broadcasts may reach two workers at different times, and how many there are.
_SPREAD, _MAX_RECENT = 10.0, 10_000


class _Recent(NamedTuple):
    time: float
    origin: str
    number: int
    target: Target
    message: Message


class _Moved(NamedTuple):
    """A client that comes from another worker."""

    time: float
    found: FoundSession


class SiblingAdapter(ClusterAdapter):
    """See the head of the file.

    Args:
        namespace: Whose sockets it looks after.
        network: Reaches the other workers.
        timeout: Seconds that other workers have to answer.
    """

    def __init__(
        self, namespace: LocalSockets, network: SiblingNetwork, timeout: float = 5
    ) -> None:
        self._siblings = SiblingBus(network, namespace.name, self)
        super().__init__(namespace, self._siblings, timeout)
        self._clock: Callable[[], float] | None = None
        self._recent: deque[_Recent] = deque(maxlen=_MAX_RECENT)
        # The number of the newest broadcast of each worker, this one included.
        self._seen: dict[str, int] = {}
        # Clients from other workers: those that came lately, and those that are not in yet.
        self._moved: dict[str, _Moved] = {}
        self._arriving: dict[str, _Moved] = {}
        self._questions: dict[str, tuple[AsyncResult[FoundSession | None], set[str]]] = {}

    @property
    def keeps_packets(self) -> bool:
        """Whether recovery is on."""
        return self._clock is not None

    # Broadcasts

    def broadcast(self, packet: Packet, target: Target) -> None:
        """Send a packet to every socket of the target, on all workers."""
        if self._clock is None or target.flags.local or not is_kept(packet, target):
            super().broadcast(packet, target)
            return
        # What cannot be encoded raises before anything is sent.
        message = self.local.keep(packet, target)
        origin = self._siblings.uid
        number = self._seen.get(origin, 0) + 1
        self._note(origin, number, target, message)
        self._siblings.publish(Broadcast(packet, target), number)
        self.local.deliver(packet, message, target)

    def on_kept(self, request: Request, origin: str, number: int) -> None:
        """Another worker has sent a broadcast that is kept."""
        if self._clock is None or not isinstance(request, Broadcast):
            self.receiver.on_request(request, origin)
            return
        packet, target, _ = request
        for moved in list(self._moved.values()):
            # It was in what this client got from the worker where it was.
            if number <= moved.found.seen.get(origin, 0):
                except_ = target.except_ | {moved.found.session.sid}
                target = target._replace(except_=frozenset(except_))
        self._forget_moved()
        message = self.local.keep(packet, target)
        self._note(origin, number, target, message)
        self.local.deliver(packet, message, target)

    def _note(self, origin: str, number: int, target: Target, message: Message) -> None:
        self._seen[origin] = number
        self._recent.append(_Recent(self._now(), origin, number, target, message))

    def _now(self) -> float:
        return 0.0 if self._clock is None else self._clock()

    def _forget_moved(self) -> None:
        oldest = self._now() - _SPREAD
        for clients in (self._moved, self._arriving):
            for pid in [pid for pid, moved in clients.items() if moved.time < oldest]:
                del clients[pid]

    # Connection state recovery

    def enable_recovery(self, options: RecoveryOptions, clock: Callable[[], float]) -> bool:
        """Keep sessions and packets in memory."""
        self._clock = clock
        return self.local.enable_recovery(options, clock)

    def disable_recovery(self) -> None:
        """Keep nothing any more."""
        self._clock = None
        self.local.disable_recovery()

    def current_offset(self) -> str:
        """Return the offset of the newest packet."""
        return self.local.current_offset()

    def persist_session(self, saved: SavedSocket) -> None:
        """Keep the state of a socket."""
        if saved.sid in self.local.sids:
            self.local.persist_session(saved)
        else:
            logger.debug("%s has left while it moved: it begins anew", named(saved.sid))

    def readmit(self, saved: SavedSocket) -> None:
        """Put a socket back into the rooms of its session."""
        self.local.readmit(saved)

    def prune(self) -> bool:
        """Forget what is too old; return whether something is left."""
        self._forget_moved()
        return self.local.prune()

    def restore_session(self, pid: str, offset: str | None) -> SavedSocket | None:
        """Return the state that this worker or another has kept under ``pid``; may block."""
        session = self.local.restore_session(pid, offset)
        if session is not None:
            return session
        found = self._ask_siblings(pid, offset)
        if found is None:
            return None
        self._moved[pid] = self._arriving[pid] = _Moved(self._now(), found)
        # As if it had always been in its rooms: what counts here is what follows.
        joined = dict.fromkeys(found.session.rooms, 0)
        return found.session._replace(offset=self.current_offset(), joined=joined)

    def missed_packets(self, saved: SavedSocket) -> list[Message] | None:
        """Return what the client has missed."""
        moved = self._arriving.pop(saved.pid, None)
        if moved is None:
            return self.local.missed_packets(saved)
        begin = moved.time - _SPREAD
        rooms = dict.fromkeys(saved.rooms, 0)
        seen = moved.found.seen
        return moved.found.missed + [
            recent.message
            for recent in self._recent
            if recent.time >= begin
            # One that the other worker has never heard of has begun a moment ago.
            and recent.number > seen.get(recent.origin, 0)
            and is_for(recent.target, rooms, 1)
        ]

    def _ask_siblings(self, pid: str, offset: str | None) -> FoundSession | None:
        asked = set(self._siblings.others())
        if not asked:
            return None
        request_id = secrets.token_hex(8)
        result: AsyncResult[FoundSession | None] = AsyncResult()
        self._questions[request_id] = result, asked
        try:
            self._siblings.publish(FindSession(pid, offset, request_id))
            return result.get(timeout=_DEADLINE)
        except gevent.Timeout:
            return None
        finally:
            del self._questions[request_id]

    def _seen_by(self, pid: str) -> dict[str, int]:
        """Return how far a client has come, which may have brought more than is known here."""
        seen = dict(self._seen)
        if pid in self._moved:
            for origin, number in self._moved[pid].found.seen.items():
                seen[origin] = max(number, seen.get(origin, 0))
        return seen

    def on_session_found(self, answer: SessionFound, origin: str) -> None:
        """Another worker has looked for a session."""
        question = self._questions.get(answer.request_id)
        if question is None:
            return
        result, asked = question
        asked.discard(origin)
        if not result.ready() and (answer.found is not None or not asked):
            result.set(answer.found)

    def on_find_session(self, request: FindSession, origin: str) -> None:
        """Another worker looks for a session; may block."""
        self.namespace.give_up(request.pid)
        found = None
        if self._clock is not None:
            session = self.local.restore_session(request.pid, request.offset)
            missed = None if session is None else self.local.missed_packets(session)
            if session is not None and missed is not None:
                found = FoundSession(session, missed, self._seen_by(request.pid))
        self._siblings.respond(origin, SessionFound(request.request_id, found))

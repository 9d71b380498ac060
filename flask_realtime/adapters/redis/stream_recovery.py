"""Connection state recovery on a Redis stream: on another server, and after a restart.

The stream is the log, the ids of its entries are the offsets. Sessions are keys that expire,
in the form of the Node adapter; ours carry the offset at which the client joined as well.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gevent
from gevent.event import AsyncResult, Event

from ...codec.message import Message
from ...codec.socket_packet import Packet
from ...options import RecoveryOptions
from ..cluster.request_queue import RequestQueue
from ..values import SavedSocket, Target, with_offset
from ..wire.messages import Broadcast
from ..wire.streams import decode_entry, id_after, is_offset, order_of
from ..wire.values import pack, strings, unpack
from .link import RedisLink, redis_errors
from .publisher import Command, Publisher
from .stream_reader import StreamReader, fields_of

__all__ = ["StreamRecovery"]

#: Seconds that an emit waits for the id of its entry before it goes on without one.
_OFFSET_TIMEOUT = 1.0
#: Seconds that Redis has for each question of a client that comes back.
_PATIENCE = 5.0
#: Entries that are read at once, and how many times: a limit for a stream that grows faster.
_PAGE = 1000
_PAGES = 100
#: Private ids are short; a longer one is nobody's.
_MAX_PID = 100
#: Seconds for which a socket that was recovered may be met by what it has got already.
_REMEMBERED = 60.0


Order = tuple[int, int]


class _Own(NamedTuple):
    """A broadcast of this server, and whoever waits for its offset."""

    data: bytes
    offset: AsyncResult[Any]

    def answered(self, answer: Any) -> None:
        if answer is None:
            # It will never be an entry.
            self.offset.set(None)


class _Applied(NamedTuple):
    """A broadcast that was delivered while somebody's packets were being read."""

    order: Order
    offset: str
    packet: Packet
    target: Target


class _Recovered(NamedTuple):
    """When a socket was recovered, and the last entry that it has got then."""

    at: float
    last: Order


class StreamRecovery:
    """See :class:`~flask_realtime.adapters.cluster.bus.BusRecovery`.

    Args:
        link: The way to Redis.
        publisher: Adds entries.
        reader: Reads the stream.
        stream: Its name.
        namespace: The name of the namespace.
        key_prefix: What the keys of sessions begin with.
        command_for: Returns the command that adds a broadcast.
        requests: Where entries wait for their turn.
        options: How long a client may be away.
    """

    def __init__(
        self,
        link: RedisLink,
        publisher: Publisher,
        reader: StreamReader,
        stream: str,
        namespace: str,
        key_prefix: str,
        command_for: Callable[[Broadcast], tuple[Any, ...]],
        requests: RequestQueue,
        options: RecoveryOptions,
    ) -> None:
        self._link = link
        self._publisher = publisher
        self._reader = reader
        self._stream = stream
        self._namespace = namespace
        self._key_prefix = key_prefix
        self._command_for = command_for
        self._requests = requests
        self._expiry = round(options.max_disconnection_duration * 1000)
        self._is_late = False
        # Broadcasts of this server that have not had their turn.
        self._waiting: list[_Own] = []
        # Sessions on their way to Redis.
        self._saving: dict[str, Event] = {}
        # While packets are read for somebody, what is delivered meanwhile is noted for him.
        self._noting: list[list[_Applied]] = []
        self._recovered: dict[str, _Recovered] = {}
        # The newest entry that one of these has: what comes later concerns none of them.
        self._newest: Order = (0, 0)

    # Emitting

    @property
    def may_wait_here(self) -> bool:
        """Whether the current greenlet may wait for an entry: not where entries are served."""
        here = gevent.getcurrent()
        return here is not gevent.get_hub() and not self._requests.is_serving_here

    def publish(self, request: Broadcast) -> str | None:
        """Add a broadcast to the stream and return its id when its turn has come; blocks.

        All servers deliver in the order of the stream, this one as well: a client that has
        received an entry has received those before it.
        """
        words = self._command_for(request)
        if self._is_late or not self._publisher.is_up or not self._reader.position:
            # Whoever emits next does not wait as well.
            self._publisher.send(Command(words))
            return None
        own = _Own(words[-1], AsyncResult())
        self._waiting.append(own)
        try:
            self._publisher.send(Command(words, own.answered))
            own.offset.wait(_OFFSET_TIMEOUT)
        finally:
            self._waiting.remove(own)
        self._is_late = not own.offset.ready()
        offset: str | None = own.offset.value
        return offset

    def on_own_entry(self, entry_id: str, data: bytes) -> None:
        """An entry of this server has its turn: whoever emitted it delivers it."""
        self._is_late = False
        for own in self._waiting:
            if own.data == data and not own.offset.ready():
                own.offset.set(entry_id)
                # It runs now; what comes after the entry is not read before.
                gevent.sleep(0)
                return

    def delivering(self, offset: str, packet: Packet, target: Target) -> Target:
        """Note that a broadcast is delivered now; return whom it is for.

        Sockets that were recovered beyond it have it already.
        """
        if not self._noting and not self._recovered:
            return target
        order = order_of(offset)
        for noted in self._noting:
            noted.append(_Applied(order, offset, packet, target))
        if order > self._newest:
            return target
        have_it = {sid for sid, state in self._recovered.items() if order <= state.last}
        return target._replace(except_=target.except_ | have_it) if have_it else target

    def current_offset(self) -> str:
        """Return the id of the newest entry that this server knows of."""
        # Before it is known, nothing can be promised to a client that receives nothing.
        return self._reader.position

    # Sessions

    def persist(self, session: SavedSocket) -> None:
        """Keep the state of a socket."""
        values = {
            "sid": session.sid,
            "pid": session.pid,
            "rooms": list(session.rooms),
            "data": session.data,
            "offset": session.offset,
        }
        text = base64.b64encode(pack(values))
        key = self._key_prefix + session.pid
        saved = self._saving[session.pid] = Event()

        def on_answer(answer: Any) -> None:
            if self._saving.get(session.pid) is saved:
                del self._saving[session.pid]
            saved.set()

        words = ("SET", key, text, "PX", self._expiry, "NX")
        self._publisher.send(Command(words, on_answer))

    def restore(self, pid: str, offset: str | None) -> SavedSocket | None:
        """Return the state that was kept under ``pid`` and forget it; blocks."""
        if len(pid) > _MAX_PID or not (offset is None or is_offset(offset)):
            return None
        # The client may be back before what it had here is in Redis.
        saved = self._saving.get(pid)
        if saved is not None:
            saved.wait(_OFFSET_TIMEOUT)
        key = self._key_prefix + pid
        found = self._ask("GET", key)
        session = None if found is None else _session_from(found)
        # Whoever deletes it has it: another server may have been asked as well.
        if session is None or session.pid != pid or not self._ask("DEL", key):
            return None
        session = session._replace(offset=offset or session.offset)
        return session if self._has(session.offset) else None

    def _ask(self, *words: Any) -> Any:
        try:
            return self._link.ask(*words, timeout=_PATIENCE)
        except redis_errors() as error:
            raise OSError(str(error)) from error

    def _has(self, offset: str) -> bool:
        # Whether everything after the offset is still in the stream.
        if not is_offset(offset):
            return False
        if self._ask("XRANGE", self._stream, offset, offset):
            return True
        place = order_of(offset)
        if not self._ask("EXISTS", self._stream):
            return place == (0, 0)
        answer = self._ask("XINFO STREAM", self._stream)
        info = dict(zip(answer[::2], answer[1::2], strict=True))
        if place > order_of(info[b"last-generated-id"]):
            return False
        first = info[b"first-entry"]
        never_trimmed = info.get(b"entries-added") == info[b"length"]
        return never_trimmed or bool(first and order_of(first[0]) <= place)

    # What was missed

    def missed(
        self, session: SavedSocket, encode: Callable[[Packet], Message]
    ) -> list[Message] | None:
        """Return what was sent to the session after its offset; blocks."""
        noted: list[_Applied] = []
        self._noting.append(noted)
        try:
            found = self._read(session, encode)
            if found is None:
                return None
            messages, last = found
            # Nothing switches greenlets from here on until the socket has joined its rooms.
            messages += [
                encode(with_offset(item.packet, item.offset))
                for item in noted
                if item.order > last and item.target.includes(session.rooms)
            ]
            self._remember(session.sid, last)
            return messages
        finally:
            self._noting = [item for item in self._noting if item is not noted]

    def _read(
        self, session: SavedSocket, encode: Callable[[Packet], Message]
    ) -> tuple[list[Message], Order] | None:
        last, found = session.offset, []
        for _ in range(_PAGES):
            page = self._ask("XRANGE", self._stream, id_after(last), "+", "COUNT", _PAGE)
            for entry_id, values in page:
                last = entry_id.decode()
                broadcast = self._broadcast_of(fields_of(values))
                if broadcast is not None and broadcast.target.includes(session.rooms):
                    found.append(encode(with_offset(broadcast.packet, last)))
            if len(page) < _PAGE:
                return found, order_of(last)
        return None

    def _remember(self, sid: str, last: Order) -> None:
        now = time.monotonic()
        self._recovered.pop(sid, None)
        self._recovered[sid] = _Recovered(now, last)
        while self._recovered:
            oldest, state = next(iter(self._recovered.items()))
            if state.at >= now - _REMEMBERED:
                break
            del self._recovered[oldest]
        self._newest = max(self._newest, last)

    def _broadcast_of(self, fields: dict[bytes, bytes]) -> Broadcast | None:
        try:
            found = decode_entry(fields, self._namespace)
        except ValueError:
            return None
        if found is None or not isinstance(found[1], Broadcast):
            return None
        broadcast = found[1]
        kept = broadcast.request_id is None and not broadcast.target.flags.volatile
        return broadcast if kept else None


def _session_from(text: bytes | str) -> SavedSocket | None:
    try:
        found = unpack(base64.b64decode(text, validate=True))
        data = found.get("data")
        return SavedSocket(
            str(found["pid"]),
            str(found["sid"]),
            frozenset(strings(found["rooms"])),
            data if isinstance(data, dict) else {},
            str(found.get("offset", "")),
        )
    except (ValueError, KeyError, AttributeError, binascii.Error):
        return None

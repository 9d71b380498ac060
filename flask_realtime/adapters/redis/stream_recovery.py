"""Connection state recovery on a Redis stream: on another server, and after a restart.

The stream is the log, the ids of its entries are the offsets. Saved sockets are keys that
expire, in the form of the Node adapter, with the offset at which the client joined added.
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

# How a client is recovered
#
# The log. A broadcast that is kept is an entry of the stream; its id is the offset that clients
# receive as the last argument. All servers deliver in the order of the stream, the one that
# emits as well. So a client that has received one entry has received every earlier one that was
# for it, and its offset alone says what it misses.
#
# Emitting. publish() blocks the greenlet that emits until its own entry has been read back and
# has its turn among the entries of other servers. The greenlet of the RequestQueue then calls
# on_own_entry(), which hands over the id and yields once: the emitter runs, delivers, and only
# then is the next entry served. An emit waits for a second at most. After that it delivers
# without an offset, and further emits do not wait at all until an entry of this server has come
# back. may_wait_here is false in the hub, and on the greenlet that serves entries, which would
# wait for itself; the adapter spawns a greenlet there.
#
# Coming back takes three steps on the greenlet of the client's CONNECT packet. restore() takes
# the saved state: of two servers that ask, the one whose DEL deletes the key has it. missed()
# reads the stream from the offset to its end. Then the namespace puts the socket back into its
# rooms. The first two block on Redis, and meanwhile this server goes on delivering. Hence:
#
# - Nothing is lost: what is delivered while pages are read reaches the rooms, but the socket is
#   not in them yet. Each delivery is noted, and those beyond the last page are added at the
#   end. From there until the socket is in its rooms nothing may switch greenlets.
# - Nothing comes twice: the pages may hold entries that wait for their turn on this server, and
#   would be delivered to the socket once it is in its rooms. The last entry that a recovered
#   socket has is remembered for a minute, and delivering() leaves it out up to there.
#
# When Redis is away, saved sockets and entries wait in the Publisher and are written later,
# restore() and missed() raise OSError, and the client is admitted as a new one.

#: Seconds that an emit waits for the id of its entry before it goes on without one.
_OFFSET_TIMEOUT = 1.0
#: Seconds that Redis has for each question of a client that comes back.
_PATIENCE = 5.0
#: Entries that are read at once, and how many times: a limit for a stream that grows faster.
_PAGE = 1000
_PAGES = 100
#: Private ids are short; no server gives out a longer one.
_MAX_PID = 100
#: Seconds for which entries that a recovered socket has received may still have their turn.
_REMEMBERED = 60.0

Order = tuple[int, int]


class _PendingEmit(NamedTuple):
    """A broadcast of this server whose offset a greenlet waits for."""

    data: bytes
    offset: AsyncResult[Any]

    def answered(self, answer: Any) -> None:
        if answer is None:
            # It will never be an entry.
            self.offset.set(None)


class _Delivery(NamedTuple):
    """A broadcast that was delivered while the packets of a client were being read."""

    order: Order
    offset: str
    packet: Packet
    target: Target


class _Recovered(NamedTuple):
    """When a socket was recovered, and the last entry that it has received by then."""

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
        key_prefix: What the keys of saved sockets begin with.
        command_for: Returns the command that adds a broadcast.
        requests: Where entries wait for their turn.
        options: How long a client may be away; the expiry of the keys.
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
        # Whether the last emit has got no offset in time: the next ones do not wait.
        self._is_late = False
        # Broadcasts of this server that have not had their turn.
        self._waiting: list[_PendingEmit] = []
        # Sockets on their way to Redis, by private id.
        self._saving: dict[str, Event] = {}
        # What is delivered while packets are read, for each client that is being recovered.
        self._noted: list[list[_Delivery]] = []
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
            # An emit after one that was late does not wait as well.
            self._publisher.send(Command(words))
            return None
        own = _PendingEmit(words[-1], AsyncResult())
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
        """Hand an entry of this server that has its turn to the emit that waits for it."""
        self._is_late = False
        for own in self._waiting:
            if own.data == data and not own.offset.ready():
                own.offset.set(entry_id)
                # The emit runs now: the entry is delivered before the next one is served.
                gevent.sleep(0)
                return

    def delivering(self, offset: str, packet: Packet, target: Target) -> Target:
        """Note that a broadcast is delivered now; return the sockets that it is still for.

        Args:
            offset: The id of its entry.
            packet: What is sent.
            target: The sockets it was sent to; those recovered beyond it have it already.
        """
        if not self._noted and not self._recovered:
            return target
        order = order_of(offset)
        for noted in self._noted:
            noted.append(_Delivery(order, offset, packet, target))
        if order > self._newest:
            return target
        have_it = {sid for sid, state in self._recovered.items() if order <= state.last}
        return target._replace(except_=target.except_ | have_it) if have_it else target

    def current_offset(self) -> str:
        """Return the id of the newest entry that this server knows of."""
        # Empty before it is known: a client that receives nothing cannot be recovered then.
        return self._reader.position

    # Saved sockets

    def persist(self, saved: SavedSocket) -> None:
        """Keep the state of a socket for as long as its client may be away; never blocks.

        Raises:
            TypeError, ValueError: Its data cannot be carried.
        """
        values = {
            "sid": saved.sid,
            "pid": saved.pid,
            "rooms": list(saved.rooms),
            "data": saved.data,
            "offset": saved.offset,
        }
        text = base64.b64encode(pack(values))
        key = self._key_prefix + saved.pid
        written = self._saving[saved.pid] = Event()

        def on_answer(answer: Any) -> None:
            if self._saving.get(saved.pid) is written:
                del self._saving[saved.pid]
            written.set()

        words = ("SET", key, text, "PX", self._expiry, "NX")
        self._publisher.send(Command(words, on_answer))

    def restore(self, pid: str, offset: str | None) -> SavedSocket | None:
        """Return the state that was kept under ``pid`` and forget it; blocks.

        Args:
            pid: The private id.
            offset: What the client says it has received last, if it says so.

        Returns:
            The state with the offset to go on from; ``None`` when there is none, or when
            packets after the offset are lost.

        Raises:
            OSError: Redis is out of reach.
        """
        if len(pid) > _MAX_PID or not (offset is None or is_offset(offset)):
            return None
        # The client may be back before what it had here is in Redis.
        written = self._saving.get(pid)
        if written is not None:
            written.wait(_OFFSET_TIMEOUT)
        key = self._key_prefix + pid
        found = self._ask("GET", key)
        saved = None if found is None else _saved_socket(found)
        # The server that deletes it has it: others may have been asked as well.
        if saved is None or saved.pid != pid or not self._ask("DEL", key):
            return None
        saved = saved._replace(offset=offset or saved.offset)
        return saved if self._has(saved.offset) else None

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
        self, saved: SavedSocket, encode: Callable[[Packet], Message]
    ) -> list[Message] | None:
        """Return what was sent to a socket after its offset; blocks.

        Args:
            saved: The socket.
            encode: Encodes a packet for its client.

        Returns:
            The messages in order; ``None`` when the stream grows faster than it is read.

        Raises:
            OSError: Redis is out of reach.
        """
        noted: list[_Delivery] = []
        self._noted.append(noted)
        try:
            found = self._read(saved, encode)
            if found is None:
                return None
            messages, last = found
            # Nothing switches greenlets from here on until the socket has joined its rooms.
            messages += [
                encode(with_offset(item.packet, item.offset))
                for item in noted
                if item.order > last and item.target.includes(saved.rooms)
            ]
            self._remember(saved.sid, last)
            return messages
        finally:
            self._noted = [item for item in self._noted if item is not noted]

    def _read(
        self, saved: SavedSocket, encode: Callable[[Packet], Message]
    ) -> tuple[list[Message], Order] | None:
        last, found = saved.offset, []
        for _ in range(_PAGES):
            page = self._ask("XRANGE", self._stream, id_after(last), "+", "COUNT", _PAGE)
            for entry_id, values in page:
                last = entry_id.decode()
                broadcast = self._broadcast_of(fields_of(values))
                if broadcast is not None and broadcast.target.includes(saved.rooms):
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


def _saved_socket(text: bytes | str) -> SavedSocket | None:
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

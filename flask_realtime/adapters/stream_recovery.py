"""Connection state recovery on a Redis stream: on another server, and after a restart.

The stream is the log, the ids of its entries are the offsets. Sessions are keys that expire,
in the form of the Node adapter; ours carry the offset at which the client joined as well.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gevent.event import AsyncResult
from gevent.timeout import Timeout

from ..codec.message import Message
from ..codec.socket_packet import Packet
from ..options import RecoveryOptions
from .base import Target
from .memory import with_offset
from .messages import Broadcast
from .recovery import SavedSession
from .redis_link import RedisLink
from .redis_publisher import Command, Publisher
from .stream_format import decode_entry, id_after, is_offset, order_of
from .stream_reader import StreamReader, fields_of
from .wire_values import pack, strings, unpack

__all__ = ["StreamRecovery"]

#: Seconds that an emit waits for the id of its entry before it goes on without one.
_OFFSET_TIMEOUT = 1.0
#: Entries that are read at once, and how many times: a limit for a stream that grows faster.
_PAGE = 1000
_PAGES = 100
#: Private ids are short; a longer one is nobody's.
_MAX_PID = 100
#: Seconds for which a socket that was recovered may be met by what it has got already.
_REMEMBERED = 60.0


class _Applied(NamedTuple):
    offset: str
    packet: Packet
    target: Target


class StreamRecovery:
    """See :class:`~flask_realtime.adapters.bus.BusRecovery`.

    Args:
        link: The way to Redis.
        publisher: Adds entries.
        reader: Reads the stream.
        stream: Its name.
        namespace: The name of the namespace.
        key_prefix: What the keys of sessions begin with.
        command_for: Returns the command that adds a broadcast.
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
        options: RecoveryOptions,
    ) -> None:
        self._link = link
        self._publisher = publisher
        self._reader = reader
        self._stream = stream
        self._namespace = namespace
        self._key_prefix = key_prefix
        self._command_for = command_for
        self._expiry = round(options.max_disconnection_duration * 1000)
        self._last_own = "0-0"
        self._is_late = False
        # While packets are read for somebody, what is delivered meanwhile is noted.
        self._restoring = 0
        self._applied: list[_Applied] = []
        self._recovered: dict[str, tuple[float, tuple[int, int]]] = {}

    # Emitting

    def publish(self, request: Broadcast) -> str | None:
        """Add a broadcast to the stream and return its id; blocks until Redis has answered."""
        answer: AsyncResult[Any] = AsyncResult()

        def on_answer(entry_id: Any) -> None:
            self._is_late = False
            answer.set(entry_id)

        self._publisher.send(Command(self._command_for(request), on_answer))
        if self._is_late or not self._publisher.is_up:
            return None
        try:
            entry_id = answer.get(timeout=_OFFSET_TIMEOUT)
        except Timeout:
            # Whoever emits next does not wait as well.
            self._is_late = True
            return None
        offset: str = entry_id.decode() if isinstance(entry_id, bytes) else str(entry_id)
        if order_of(offset) > order_of(self._last_own):
            self._last_own = offset
        return offset

    def applying(self, offset: str, packet: Packet, target: Target) -> Target:
        """Note that a broadcast is delivered now; return whom it is for.

        Sockets that were recovered beyond it have it already.
        """
        if self._restoring:
            self._applied.append(_Applied(offset, packet, target))
        if not self._recovered:
            return target
        oldest, place = time.monotonic() - _REMEMBERED, order_of(offset)
        for sid in [sid for sid, (at, _) in self._recovered.items() if at < oldest]:
            del self._recovered[sid]
        have_it = {sid for sid, (_, last) in self._recovered.items() if place <= last}
        return target._replace(except_=target.except_ | have_it) if have_it else target

    def current_offset(self) -> str:
        """Return the id of the newest entry that this server knows of."""
        known = self._reader.position
        if not known:
            return f"{time.time_ns() // 1_000_000}-0"
        return max(known, self._last_own, key=order_of)

    # Sessions

    def persist(self, session: SavedSession) -> None:
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
        self._publisher.send(Command(("SET", key, text, "PX", self._expiry, "NX")))

    def restore(self, pid: str, offset: str | None) -> SavedSession | None:
        """Return the state that was kept under ``pid`` and forget it; blocks."""
        if len(pid) > _MAX_PID or not (offset is None or is_offset(offset)):
            return None
        pipeline = self._link.commands().pipeline(transaction=True)
        pipeline.get(self._key_prefix + pid)
        pipeline.delete(self._key_prefix + pid)
        found, _ = pipeline.execute()
        session = None if found is None else _session_from(found)
        if session is None or session.pid != pid:
            return None
        session = session._replace(offset=offset or session.offset)
        return session if self._has(session.offset) else None

    def _has(self, offset: str) -> bool:
        # Whether everything after the offset is still in the stream.
        if not is_offset(offset):
            return False
        client = self._link.commands()
        if client.execute_command("XRANGE", self._stream, offset, offset):
            return True
        first = _entries(client.execute_command("XRANGE", self._stream, "-", "+", "COUNT", 1))
        for entry_id, _ in first:
            if order_of(entry_id) <= order_of(offset):
                return True
        return self._was_never_trimmed(client)

    def _was_never_trimmed(self, client: Any) -> bool:
        if not client.exists(self._stream):
            return True
        info = client.xinfo_stream(self._stream)
        return bool(info.get("entries-added") == info.get("length"))

    # What was missed

    def missed(
        self, session: SavedSession, encode: Callable[[Packet], Message]
    ) -> list[Message] | None:
        """Return what was sent to the session after its offset; blocks."""
        self._restoring += 1
        try:
            return self._missed(session, encode)
        finally:
            self._restoring -= 1
            if not self._restoring:
                self._applied.clear()

    def _missed(
        self, session: SavedSession, encode: Callable[[Packet], Message]
    ) -> list[Message] | None:
        last, found = session.offset, []
        for _ in range(_PAGES):
            page = self._page(last)
            for entry_id, fields in page:
                last = entry_id
                broadcast = self._broadcast_of(fields)
                if broadcast is not None and broadcast.target.includes(session.rooms):
                    found.append(encode(with_offset(broadcast.packet, entry_id)))
            if len(page) < _PAGE:
                break
        else:
            return None
        # Nothing switches greenlets from here on until the socket has joined its rooms.
        beyond = order_of(last)
        for offset, packet, target in sorted(self._applied, key=lambda item: order_of(item[0])):
            if order_of(offset) > beyond:
                beyond = order_of(offset)
                if target.includes(session.rooms):
                    found.append(encode(with_offset(packet, offset)))
        self._recovered[session.sid] = (time.monotonic(), beyond)
        return found

    def _page(self, offset: str) -> list[tuple[str, dict[bytes, bytes]]]:
        command = ("XRANGE", self._stream, id_after(offset), "+", "COUNT", _PAGE)
        return list(_entries(self._link.commands().execute_command(*command)))

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


def _entries(answer: Any) -> Iterator[tuple[str, dict[bytes, bytes]]]:
    # As redis-py has parsed it, pairs with dictionaries; or as Redis sends it, with lists.
    for entry_id, values in answer or ():
        text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
        yield text, values if isinstance(values, dict) else fields_of(values)


def _session_from(text: bytes | str) -> SavedSession | None:
    try:
        found = unpack(base64.b64decode(text, validate=True))
        data = found.get("data")
        return SavedSession(
            str(found["pid"]),
            str(found["sid"]),
            frozenset(strings(found["rooms"])),
            data if isinstance(data, dict) else {},
            str(found.get("offset", "")),
        )
    except (ValueError, KeyError, AttributeError, binascii.Error):
        return None

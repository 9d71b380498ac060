"""Rooms in memory, on one server: the default adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..codec.message import Message
from ..codec.socket_packet import Packet, PacketType
from ..events import EventEmitter
from ..options import RecoveryOptions
from .base import AckCollector, Adapter, LocalSocket, LocalSockets, ServerAck
from .memory_log import PacketLog, SocketStore
from .values import SavedSocket, Target, with_offset

__all__ = ["MemoryAdapter"]


class MemoryAdapter(Adapter):
    """Keeps rooms in two dictionaries and fans out to the sockets of this process.

    Args:
        namespace: The namespace whose sockets it manages.
        events: The emitter of the events of rooms; the adapter itself by default.
    """

    def __init__(self, namespace: LocalSockets, events: EventEmitter | None = None) -> None:
        super().__init__(namespace)
        self._events = events or self
        self._memory: _Memory | None = None

    def server_count(self) -> int:
        """Return 1: there is no cluster."""
        return 1

    def add_all(self, sid: str, rooms: Iterable[str]) -> None:
        """Put a socket into rooms."""
        own = self.sids.setdefault(sid, set())
        for room in rooms:
            if room in own:
                continue
            own.add(room)
            if self._memory is not None:
                self._memory.join(sid, room)
            members = self.rooms.get(room)
            if members is None:
                self.rooms[room] = {sid}
            else:
                members.add(sid)
            if self._events.has_listeners:
                if members is None:
                    self._events.trigger("create-room", room)
                if self.sids.get(sid) is own:
                    self._events.trigger("join-room", room, sid)
                if self.sids.get(sid) is not own:
                    # A listener has disconnected the socket.
                    return

    def remove(self, sid: str, room: str) -> None:
        """Take a socket out of a room; no effect when it is not in it."""
        own = self.sids.get(sid)
        if own is not None and room in own:
            own.discard(room)
            if self._memory is not None:
                self._memory.leave(sid, room)
            self._leave(sid, room)

    def remove_all(self, sid: str) -> None:
        """Take a socket out of all its rooms."""
        if self._memory is not None:
            self._memory.leave_all(sid)
        for room in self.sids.pop(sid, ()):
            self._leave(sid, room)

    def _leave(self, sid: str, room: str) -> None:
        members = self.rooms.get(room)
        if members is None or sid not in members:
            return
        members.discard(sid)
        if not self._events.has_listeners:
            if not members:
                del self.rooms[room]
            return
        self._events.trigger("leave-room", room, sid)
        # A listener may have filled the room again.
        if not members and self.rooms.get(room) is members:
            del self.rooms[room]
            self._events.trigger("delete-room", room)

    def broadcast(self, packet: Packet, target: Target) -> None:
        """Encode once and send to every socket of the target."""
        if self._memory is None or target.flags.volatile or packet.type is not PacketType.EVENT:
            message = self.namespace.message_of(packet, target.flags.compress)
        else:
            message = self.keep(packet, target)
        self.deliver(packet, message, target)

    def keep(self, packet: Packet, target: Target) -> Message:
        """Encode a packet with its offset, for :meth:`deliver`, and keep it for recovery.

        Args:
            packet: What is sent.
            target: Rooms, exceptions and flags.
        """
        return self._remembered.encode(self.namespace, packet, target)

    def has_any(self, target: Target) -> bool:
        """Return whether the target may have sockets here; cheap, and not exact."""
        if not target.rooms:
            return bool(self.namespace.sockets)
        return not self.rooms.keys().isdisjoint(target.rooms)

    def deliver(self, packet: Packet, message: Message, target: Target) -> None:
        """Send an encoded packet to every socket of the target.

        Args:
            packet: What is sent.
            message: The same, encoded.
            target: Rooms, exceptions and flags.
        """
        volatile = target.flags.volatile
        for socket in self._select(target):
            socket.deliver(packet, message, volatile)

    def broadcast_with_ack(self, packet: Packet, target: Target, collector: AckCollector) -> None:
        """Encode once, send to every socket of the target and collect their acknowledgements."""
        ack_id = self.namespace.next_ack_id()
        packet = packet._replace(id=ack_id)
        message = self.namespace.message_of(packet, target.flags.compress)
        sockets = self._select(target)
        # Before anything is sent: an answer may arrive at once.
        for socket in sockets:
            socket.expect_ack(ack_id, collector)
        collector.expect(len(sockets))

        def forget() -> None:
            for socket in sockets:
                socket.forget_ack(ack_id)

        collector.on_end(forget)
        for socket in sockets:
            socket.deliver(packet, message, target.flags.volatile)

    def sockets(self, rooms: Iterable[str] = ()) -> set[str]:
        """Return the ids of the sockets in any of the rooms; of all without rooms."""
        wanted = frozenset(rooms)
        return {socket.id for socket in self._select(Target(wanted))}

    def socket_rooms(self, sid: str) -> set[str]:
        """Return the rooms of a socket."""
        return set(self.sids.get(sid, ()))

    def fetch_sockets(self, target: Target) -> list[Any]:
        """Return the sockets of the target."""
        return list(self._select(target))

    def add_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target join rooms."""
        wanted = list(rooms)
        for socket in self._select(target):
            socket.join(wanted)

    def del_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target leave rooms."""
        wanted = list(rooms)
        for socket in self._select(target):
            for room in wanted:
                socket.leave(room)

    def disconnect_sockets(self, target: Target, close: bool) -> None:
        """Disconnect the sockets of the target."""
        for socket in self._select(target):
            socket.disconnect(close)

    def server_side_emit(
        self, args: list[Any], ack: ServerAck | None = None, timeout: float = 5
    ) -> None:
        """Call ``ack`` at once with no answers: there is no other server."""
        if ack is not None:
            ack(None, [])

    # Connection state recovery

    def enable_recovery(self, options: RecoveryOptions, clock: Callable[[], float]) -> bool:
        """Keep sockets and packets in memory."""
        self._memory = _Memory(options, clock)
        return True

    def disable_recovery(self) -> None:
        """Keep nothing any more."""
        self._memory = None

    def current_offset(self) -> str:
        """Return the offset of the newest packet."""
        return self._remembered.log.end

    def persist_session(self, saved: SavedSocket) -> None:
        """Keep the state of a socket."""
        memory = self._remembered
        memory.sockets.save(memory.clock(), memory.with_joined(saved))

    def restore_session(self, pid: str, offset: str | None) -> SavedSocket | None:
        """Return the state that was kept under ``pid`` and forget it."""
        memory = self._remembered
        saved = memory.sockets.take(memory.clock(), pid)
        position = None if saved is None else memory.log.position(saved.offset, offset)
        if saved is None or position is None or not memory.log.has(position, saved.joined):
            return None
        return saved._replace(offset=position)

    def missed_packets(self, saved: SavedSocket) -> list[Message] | None:
        """Return what the client has missed."""
        return self._remembered.log.since(saved.offset, saved.joined)

    def readmit(self, saved: SavedSocket) -> None:
        """Put a socket back into its rooms."""
        self._remembered.rejoin(saved)
        self.add_all(saved.sid, saved.rooms)

    def prune(self) -> bool:
        """Drop what is too old; return whether anything is left."""
        return self._remembered.prune()

    def awaits_clients(self) -> bool:
        """Return whether a socket is kept; packets without one are of no use."""
        memory = self._remembered
        memory.prune()
        return bool(memory.sockets)

    @property
    def _remembered(self) -> _Memory:
        if self._memory is None:
            raise RuntimeError("connection state recovery is off")
        return self._memory

    def _select(self, target: Target) -> list[LocalSocket]:
        """Return each socket of the target once; a copy, since rooms may change meanwhile."""
        sockets = self.namespace.sockets
        rooms, except_, _ = target
        if not rooms:
            if not except_:
                return list(sockets.values())
            sids: Iterable[str] = sockets
        elif len(rooms) == 1:
            (room,) = rooms
            sids = self.rooms.get(room, ())
        else:
            sids = set().union(*(self.rooms.get(room, ()) for room in rooms))
        if except_:
            excluded = set().union(*(self.rooms.get(room, ()) for room in except_))
            sids = [sid for sid in sids if sid not in excluded]
        return [sockets[sid] for sid in sids if sid in sockets]


class _Memory:
    """What recovery keeps: the sockets whose clients may come back, and the packets.

    It keeps since when a socket is in a room as well: what was sent there before is not for it.
    """

    def __init__(self, options: RecoveryOptions, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.sockets = SocketStore(options.max_disconnection_duration)
        self.log = PacketLog(options.max_disconnection_duration, options.max_log_bytes)
        self._joined: dict[str, dict[str, int]] = {}

    def prune(self) -> bool:
        """Drop what is too old; return whether anything is left."""
        now = self.clock()
        self.log.prune(now)
        self.sockets.prune(now)
        if self.log or self.sockets:
            return True
        if not self._joined:
            self.log.forget()
        return False

    def join(self, sid: str, room: str) -> None:
        """Note that a socket joins a room."""
        self._joined.setdefault(sid, {}).setdefault(room, self.log.last)

    def leave(self, sid: str, room: str) -> None:
        """Note that a socket leaves a room."""
        self._joined.get(sid, {}).pop(room, None)

    def leave_all(self, sid: str) -> None:
        """Note that a socket leaves all its rooms."""
        self._joined.pop(sid, None)

    def with_joined(self, saved: SavedSocket) -> SavedSocket:
        """Return a saved socket with the times at which it joined its rooms."""
        joined = self._joined.get(saved.sid)
        return saved if joined is None else saved._replace(joined=dict(joined))

    def rejoin(self, saved: SavedSocket) -> None:
        """Note that a socket joins its rooms again, as if it had never left them."""
        self._joined.setdefault(saved.sid, {}).update(saved.joined)

    def encode(self, namespace: LocalSockets, packet: Packet, target: Target) -> Message:
        """Append the packet to the log; return it, with its offset, as a message."""
        packet = with_offset(packet, self.log.next)
        message = namespace.message_of(packet, target.flags.compress)
        self.log.append(self.clock(), target, message)
        return message

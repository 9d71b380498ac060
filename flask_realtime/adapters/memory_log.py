"""What a server keeps for clients that come back: their state, and what they missed.

Bookkeeping only; time is an argument. The packets of a namespace are one log: an
offset is a position in it, so a client misses what lies between its offset and the end
(Socket.IO documentation, "Connection state recovery").
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from ..codec.message import Message
from .values import JoinedRooms, SavedSocket, Target

__all__ = ["PacketLog", "SocketStore", "is_for"]

#: Bytes that an entry of the log costs beside its text and attachments, and for each room of
#: its target (measured with CPython 3.11).
_OVERHEAD, _ROOM = 350, 250
_OFFSET = re.compile(r"([\w-]{6})\.(\d{1,18})", re.ASCII)


class _Entry(NamedTuple):
    # Not the message: that caches the forms of both transports, and the log holds one.
    time: float
    target: Target
    text: bytes | None
    attachments: Sequence[bytes]
    compress: bool
    size: int


class PacketLog:
    """The packets that were sent most recently, oldest first.

    What is older than ``max_age`` or beyond ``max_bytes`` is dropped from the front. The log
    remembers for which rooms that was: a client can be recovered as long as nothing was dropped
    that it has missed.

    Args:
        max_age: Seconds.
        max_bytes: Bytes of all packets, with what their bookkeeping costs.
        max_rooms: For how many rooms it remembers what was dropped.
    """

    def __init__(self, max_age: float, max_bytes: int, max_rooms: int = 50_000) -> None:
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._max_rooms = max_rooms
        self._entries: deque[_Entry] = deque()
        self._size = 0
        # The number of the first entry. A number alone could be guessed, or come from the log
        # of another server: an offset has a tag as well.
        self._first = 1
        self._tag = secrets.token_urlsafe(4)
        # The number of the newest packet that was dropped, for each room and for all sockets;
        # the room with the oldest such packet is first.
        self._dropped: OrderedDict[str, int] = OrderedDict()
        self._dropped_for_all = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The bytes that are held."""
        return self._size

    @property
    def last(self) -> int:
        """The number of the newest packet."""
        return self._first + len(self._entries) - 1

    @property
    def end(self) -> str:
        """The offset of the newest packet."""
        return self._offset(self.last)

    @property
    def next(self) -> str:
        """The offset that the next packet will have."""
        return self._offset(self.last + 1)

    def append(self, now: float, target: Target, message: Message) -> None:
        """Add a packet; its offset was :attr:`next`."""
        text, attachments = message.text, message.attachments
        size = _OVERHEAD + _ROOM * (len(target.rooms) + len(target.except_))
        size += len(text or b"") + sum(map(len, attachments))
        self._entries.append(_Entry(now, target, text, attachments, message.compress, size))
        self._size += size
        self.prune(now)

    def prune(self, now: float) -> None:
        """Drop what is too old, or too much."""
        entries, oldest = self._entries, now - self._max_age
        while entries and (entries[0].time < oldest or self._size > self._max_bytes):
            entry = entries.popleft()
            self._size -= entry.size
            self._note_dropped(self._first, entry.target.rooms)
            self._first += 1

    def _note_dropped(self, number: int, rooms: Iterable[str]) -> None:
        if not rooms:
            self._dropped_for_all = number
        for room in rooms:
            self._dropped.pop(room, None)
            self._dropped[room] = number
        while len(self._dropped) > self._max_rooms:
            # The room is forgotten, so the packet counts as one for all sockets.
            _, number = self._dropped.popitem(last=False)
            self._dropped_for_all = max(self._dropped_for_all, number)

    def forget(self) -> None:
        """Forget what was dropped; called when no client is left that could ask for it."""
        self._dropped.clear()
        self._dropped_for_all = self._first - 1

    def position(self, known: str, told: str | None) -> str | None:
        """Return the offset that a client has reached.

        Args:
            known: The end of the log when the client joined, or what it said before.
            told: What it says now. An older offset, or one of another server's log, means that
                it has received nothing since it joined.

        Returns:
            ``None`` when what it says is not an offset.
        """
        if told is None:
            return known
        match = _OFFSET.fullmatch(told)
        if match is None:
            return None
        if match[1] != self._tag:
            return known
        number, least = self._number(told), self._number(known)
        if number is None:
            return None
        return known if least is not None and number < least else told

    def has(self, offset: str, rooms: JoinedRooms) -> bool:
        """Return whether everything that was sent to ``rooms`` after ``offset`` is kept."""
        number = self._number(offset)
        if number is None or self._dropped_for_all > number:
            return False
        dropped = self._dropped
        return all(dropped.get(room, 0) <= max(number, since) for room, since in rooms.items())

    def since(self, offset: str, rooms: JoinedRooms) -> list[Message] | None:
        """Return what was sent to ``rooms`` after ``offset``.

        Returns:
            ``None`` when some of it has been dropped, or when the offset is not of this log.
        """
        number = self._number(offset)
        if number is None or not self.has(offset, rooms):
            return None
        # From the end: what a client misses is the newest.
        late = islice(reversed(self._entries), self.last - number)
        found = [
            Message(entry.text, entry.attachments, entry.compress)
            for age, entry in enumerate(late)
            if is_for(entry.target, rooms, self.last - age)
        ]
        found.reverse()
        return found

    def _offset(self, number: int) -> str:
        return f"{self._tag}.{number}"

    def _number(self, offset: str) -> int | None:
        match = _OFFSET.fullmatch(offset)
        if match is None or match[1] != self._tag:
            return None
        number = int(match[2])
        return number if number <= self.last else None


def is_for(target: Target, rooms: JoinedRooms, number: int) -> bool:
    """Return whether a packet was for a socket when it was sent.

    Args:
        target: The target of the packet.
        rooms: The rooms of the socket; what was sent to one before it joined is not for it.
        number: The number of the packet.
    """
    _, except_, _ = target
    if except_ and _is_in(rooms, except_, number):
        return False
    return not target.rooms or _is_in(rooms, target.rooms, number)


def _is_in(rooms: JoinedRooms, names: Iterable[str], number: int) -> bool:
    return any(rooms.get(name, number) < number for name in names)


class SocketStore:
    """The sockets whose clients may come back; each is handed out once.

    Args:
        max_age: Seconds.
        max_count: How many are kept; beyond, the oldest is dropped.
    """

    def __init__(self, max_age: float, max_count: int = 100_000) -> None:
        self._max_age = max_age
        self._max_count = max_count
        self._sockets: OrderedDict[str, tuple[float, SavedSocket]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sockets)

    def save(self, now: float, saved: SavedSocket) -> None:
        """Keep a socket."""
        self._sockets[saved.pid] = (now, saved)
        self._sockets.move_to_end(saved.pid)
        self.prune(now)

    def take(self, now: float, pid: str) -> SavedSocket | None:
        """Return the socket with a private id and forget it; ``None`` when there is none."""
        self.prune(now)
        _, saved = self._sockets.pop(pid, (0.0, None))
        return saved

    def prune(self, now: float) -> None:
        """Drop what is too old, or too much."""
        sockets, oldest = self._sockets, now - self._max_age
        while sockets:
            time, _ = next(iter(sockets.values()))
            if time >= oldest and len(sockets) <= self._max_count:
                return
            sockets.popitem(last=False)

"""What a server remembers for clients that come back: their state, and what they missed.

Values and bookkeeping only; time is an argument. The packets of a namespace are one log: an
offset is a position in it, so a client misses what lies between its offset and the end
(Socket.IO documentation, "Connection state recovery").
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from typing import Any, NamedTuple

from ..codec.message import Message
from .base import Target

__all__ = ["PacketLog", "SavedSession", "SessionStore", "is_for"]

#: Bytes that an entry of the log costs beside its message.
_OVERHEAD = 400


class SavedSession(NamedTuple):
    """The state of a socket between two connections.

    Attributes:
        pid: The private id by which its client asks for it.
        sid: The public id.
        rooms: Its rooms, its own id among them.
        data: What the application kept in ``socket.data``.
        offset: The last position in the log that the client is known to have reached.
    """

    pid: str
    sid: str
    rooms: frozenset[str]
    data: dict[str, Any]
    offset: str


class _Entry(NamedTuple):
    time: float
    target: Target
    message: Message
    size: int


class PacketLog:
    """The packets that were sent lately, oldest first.

    What is older than ``max_age`` or beyond ``max_bytes`` is dropped from the front; a client
    whose offset lies before the front cannot be recovered.

    Args:
        max_age: Seconds.
        max_bytes: Bytes of all messages, with what their bookkeeping costs.
    """

    def __init__(self, max_age: float, max_bytes: int) -> None:
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._entries: deque[_Entry] = deque()
        self._size = 0
        # The number of the first entry. Numbers alone could be guessed, or be meant for the
        # log of another server: a tag belongs to an offset.
        self._first = 1
        self._tag = secrets.token_urlsafe(4)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The bytes that are held."""
        return self._size

    @property
    def end(self) -> str:
        """The offset of the newest entry."""
        return self._offset(self._first + len(self._entries) - 1)

    @property
    def next(self) -> str:
        """The offset that the next entry will have."""
        return self._offset(self._first + len(self._entries))

    def append(self, now: float, target: Target, message: Message) -> None:
        """Add a message; its offset was :attr:`next`."""
        size = _OVERHEAD + len(message.text or b"") + sum(map(len, message.attachments))
        self._entries.append(_Entry(now, target, message, size))
        self._size += size
        self.prune(now)

    def prune(self, now: float) -> None:
        """Drop what is too old, or too much."""
        entries, oldest = self._entries, now - self._max_age
        while entries and (entries[0].time < oldest or self._size > self._max_bytes):
            self._size -= entries.popleft().size
            self._first += 1

    def has(self, offset: str) -> bool:
        """Whether everything after ``offset`` is still here."""
        return self._number(offset) is not None

    def since(self, offset: str, rooms: frozenset[str]) -> list[Message] | None:
        """Return what was sent to ``rooms`` after ``offset``.

        Returns:
            ``None`` when some of it has been dropped, or when the offset is not of this log.
        """
        number = self._number(offset)
        if number is None:
            return None
        entries, start = self._entries, number + 1 - self._first
        late = [entries[index] for index in range(start, len(entries))]
        return [entry.message for entry in late if is_for(entry.target, rooms)]

    def _offset(self, number: int) -> str:
        return f"{self._tag}.{number}"

    def _number(self, offset: str) -> int | None:
        tag, _, digits = offset.partition(".")
        if tag != self._tag or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
            return None
        number = int(digits)
        last = self._first + len(self._entries) - 1
        return number if self._first - 1 <= number <= last else None


def is_for(target: Target, rooms: frozenset[str]) -> bool:
    """Whether a socket in ``rooms`` is meant by ``target``."""
    if target.except_ and not target.except_.isdisjoint(rooms):
        return False
    return not target.rooms or not target.rooms.isdisjoint(rooms)


class SessionStore:
    """The sessions of clients that may come back; each is handed out once.

    Args:
        max_age: Seconds.
        max_count: How many are kept; beyond, the oldest is dropped.
    """

    def __init__(self, max_age: float, max_count: int = 100_000) -> None:
        self._max_age = max_age
        self._max_count = max_count
        self._sessions: OrderedDict[str, tuple[float, SavedSession]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def save(self, now: float, session: SavedSession) -> None:
        """Keep a session."""
        self._sessions[session.pid] = (now, session)
        self._sessions.move_to_end(session.pid)
        self.prune(now)

    def take(self, now: float, pid: str) -> SavedSession | None:
        """Return a session and forget it."""
        self.prune(now)
        _, session = self._sessions.pop(pid, (0.0, None))
        return session

    def prune(self, now: float) -> None:
        """Drop what is too old, or too much."""
        sessions, oldest = self._sessions, now - self._max_age
        while sessions:
            time, _ = next(iter(sessions.values()))
            if time >= oldest and len(sessions) <= self._max_count:
                return
            sessions.popitem(last=False)

"""What became of entries whose connection broke before Redis had answered.

Sent again they might be there twice; not sent again they might be missing. The stream itself
tells. Commands of one connection are executed in order, so those executed are the first ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..wire.streams import id_after
from .link import RedisLink
from .publisher import Command
from .stream_reader import fields_of

__all__ = ["StreamHistory"]

_PAGE = 1000


class StreamHistory:
    """Finds entries of this server in a stream.

    Args:
        link: The way to Redis.
        stream: Its name.
    """

    def __init__(self, link: RedisLink, stream: str) -> None:
        self._link = link
        self._stream = stream
        # Every entry of this server up to here has been answered.
        self._seen = "0-0"

    def answers_to(self, batch: list[Command]) -> list[Any]:
        """Return what Redis would have answered to the commands that it has executed; blocks.

        Args:
            batch: Commands in the order they were sent. Those that add no entry may be
                executed twice, and count as not executed unless an entry follows them.

        Raises:
            redis.RedisError, OSError: Redis is out of reach.
        """
        wanted = [_fields(command) for command in batch]
        found: list[Any] = []
        for entry_id, fields in self._entries():
            place = _next_entry(wanted, len(found))
            if place is not None and fields == wanted[place]:
                # What was sent before it was executed before it.
                found += [None] * (place - len(found))
                found.append(entry_id)
        return found

    def note(self, command: Command, answer: Any) -> None:
        """Note the answer of Redis: the search for later entries begins after this one."""
        if command.words[0] == "XADD":
            self._seen = answer.decode()

    def _entries(self) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
        last = self._seen
        while True:
            page = self._link.ask("XRANGE", self._stream, id_after(last), "+", "COUNT", _PAGE)
            for entry_id, values in page:
                last = entry_id.decode()
                yield entry_id, fields_of(values)
            if len(page) < _PAGE:
                return


def _next_entry(wanted: list[dict[bytes, bytes] | None], start: int) -> int | None:
    places = range(start, len(wanted))
    return next((place for place in places if wanted[place] is not None), None)


def _fields(command: Command) -> dict[bytes, bytes] | None:
    if command.words[0] != "XADD":
        return None
    values = [_bytes(word) for word in command.words[6:]]
    return dict(zip(values[::2], values[1::2], strict=True))


def _bytes(word: Any) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()

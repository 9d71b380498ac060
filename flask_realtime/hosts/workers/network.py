"""What carries the messages of adapters between the workers of a host.

Links of its own, so that a listener that is slow holds up nothing else.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable

from ...quoting import named
from .directory import Meeting
from .frames import Kind
from .link import Link, LinkFull, LinkLost
from .mesh import Mesh

__all__ = ["Network"]

logger = logging.getLogger(__name__)

_LENGTH = struct.Struct("!H")
#: Workers that have said that they listen, and may be gone.
_MAX_LISTENERS = 256

#: Called with the tag of the sender and the message; may block.
Listener = Callable[[str, bytes], None]


class Network:
    """The workers of a host, by the namespaces to which they listen.

    Args:
        meeting: Where they find each other.
        tag: The name of this one.
    """

    def __init__(self, meeting: Meeting, tag: str) -> None:
        self.tag: str = tag
        self._mesh = Mesh(meeting, tag, self)
        self._own: dict[str, Listener] = {}
        self._others: dict[str, set[str]] = {}
        #: How often a sibling was so far behind that its link was closed.
        self.dropped: int = 0

    def start(self) -> None:
        """Find the others.

        Raises:
            OSError: There is no place to meet.
        """
        self._mesh.start()

    def wait(self, timeout: float) -> None:
        """Block until the others have been found."""
        self._mesh.wait(timeout)

    def look_after(self) -> None:
        """See :meth:`Mesh.look_after`."""
        self._mesh.look_after()

    def close(self) -> None:
        """Leave; calling it again is harmless."""
        self._mesh.close()

    # What buses do

    def listen(self, namespace: str, listener: Listener) -> None:
        """Take the messages of a namespace from now on."""
        self._own[namespace] = listener
        self._mesh.send_to_all(Kind.LISTENS, namespace.encode())

    def listen_no_more(self, namespace: str) -> None:
        """Take no more messages of a namespace."""
        if self._own.pop(namespace, None) is not None:
            self._mesh.send_to_all(Kind.LISTENS_NO_MORE, namespace.encode())

    def listeners(self, namespace: str) -> list[str]:
        """Return the tags of the other workers that listen to a namespace."""
        links = self._mesh.links
        return [tag for tag in self._others.get(namespace, ()) if tag in links]

    def send(self, tags: list[str], namespace: str, message: bytes) -> None:
        """Send a message to workers; never blocks.

        One that is too far behind is cut off: a hole in the order of messages would be worse.
        """
        name = namespace.encode()
        payload = _LENGTH.pack(len(name)) + name + message
        for tag in tags:
            try:
                self._mesh.send(tag, Kind.MESSAGE, payload)
            except LinkFull:
                self.dropped += 1
                logger.error("! worker %s is too far behind: messages to it are lost", named(tag))
                self._mesh.links[tag].close()
            except LinkLost:
                logger.debug("worker %s is gone", named(tag))

    # What siblings say

    def joined(self, tag: str, link: Link) -> None:
        """A sibling can be sent to."""
        for namespace in self._own:
            link.send(Kind.LISTENS, namespace.encode())

    def received(self, link: Link, kind: Kind, payload: bytes, descriptor: int | None) -> None:
        """A sibling has said something."""
        if kind is Kind.MESSAGE:
            (length,) = _LENGTH.unpack_from(payload)
            end = _LENGTH.size + length
            listener = self._own.get(payload[_LENGTH.size : end].decode())
            if listener is not None:
                listener(link.tag, payload[end:])
        elif kind is Kind.LISTENS:
            others = self._others.setdefault(payload.decode(), set())
            others.add(link.tag)
            if len(others) > _MAX_LISTENERS:
                others.intersection_update([link.tag, *self._mesh.links])
        elif kind is Kind.LISTENS_NO_MORE:
            self._others.get(payload.decode(), set()).discard(link.tag)

    def broken(self, link: Link) -> None:
        """A link is over: what was sent on it may be lost."""

    def left(self, tag: str) -> None:
        """A sibling is gone."""
        for others in self._others.values():
            others.discard(tag)

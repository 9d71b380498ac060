"""A worker and its siblings: each dials every other, and knows which are there.

A worker sends on the links that it has dialled, and answers on those that it has accepted. The
end of a dialled link is the end of the sibling, unless it can be dialled again.
"""

from __future__ import annotations

import logging
import os
import re
from time import monotonic
from typing import Any, Protocol

import gevent
from gevent import get_hub
from gevent.event import Event
from gevent.pool import Group

from ...quoting import named
from .directory import Meeting, is_own
from .frames import VERSION, Hello, Kind
from .link import Link, LinkFull, LinkLost

__all__ = ["Mesh", "MeshOwner"]

logger = logging.getLogger(__name__)

#: Seconds that a sibling has to say its name.
HELLO_TIMEOUT = 5.0
#: Seconds between two attempts to reach a sibling again, and how many there are.
_AGAIN = (0.02, 0.2, 1.0)
#: Links that have not said their name yet.
_MAX_STRANGERS = 256
_READ = 1
#: What a tag may be; clients send others as well.
_NAME = re.compile(r"[\w-]{1,16}", re.ASCII)


class MeshOwner(Protocol):
    """Who is told of siblings."""

    def joined(self, tag: str, link: Link) -> None:
        """A sibling can be sent to, and knows nothing yet; perhaps not for the first time."""

    def received(self, link: Link, kind: Kind, payload: bytes, descriptor: int | None) -> None:
        """A frame has arrived, and its descriptor belongs to the owner now."""

    def broken(self, link: Link) -> None:
        """A dialled link is over: what was sent on it may be lost."""

    def left(self, tag: str) -> None:
        """A sibling is gone."""


class Mesh:
    """See the head of the file.

    Args:
        meeting: Where the siblings are found.
        tag: The name of this worker.
        owner: Is told of them.
    """

    def __init__(self, meeting: Meeting, tag: str, owner: MeshOwner) -> None:
        self.tag: str = tag
        self._meeting = meeting
        self._owner = owner
        self._hello = Hello(VERSION, tag, os.getpid()).encode()
        #: The links to siblings that have said their name.
        self.links: dict[str, Link] = {}
        self._dialling: set[str] = set()
        self._accepted: set[Link] = set()
        self._greenlets = Group()
        self._listener: Any = None
        self._watcher: Any = None
        self._told_version = False
        #: Set for a moment when a sibling has been reached, or not.
        self.changed: Event = Event()

    def start(self) -> None:
        """Listen, and dial all that are there.

        Raises:
            OSError: The meeting place cannot be used.
        """
        self._listen()
        self.find()

    def find(self) -> None:
        """Dial all that are there and not linked yet."""
        for tag in self._meeting.tags():
            self._dial(tag)

    def wait(self, timeout: float) -> None:
        """Block until every sibling has been dialled."""
        self._greenlets.join(timeout)

    def look_after(self) -> None:
        """From time to time: find siblings that hung, and be found again.

        A cleaner of temporary files may have come by.
        """
        if self._listener is None:
            return
        try:
            if not self._meeting.has(self.tag):
                self._stop_listening()
                self._listen()
            self.find()
        except OSError as error:
            logger.warning("! other workers cannot find this one: %s", error)

    def reach(self, tag: str, timeout: float) -> bool:
        """Say whether there is such a sibling; one that has just begun is waited for."""
        if tag in self.links:
            return True
        if not _NAME.fullmatch(tag) or tag == self.tag or not self._meeting.has(tag):
            return False
        self._dial(tag)
        deadline = monotonic() + timeout
        while tag in self._dialling and (left := deadline - monotonic()) > 0:
            self.changed.wait(left)
        return tag in self.links

    def may_live(self, tag: str, timeout: float) -> bool:
        """Say whether there is such a sibling, perhaps one that does not answer at the moment."""
        if self.reach(tag, timeout):
            return True
        return _NAME.fullmatch(tag) is not None and self._meeting.has(tag)

    def send(self, tag: str, kind: Kind, payload: bytes, descriptor: int | None = None) -> Link:
        """Send a frame to a sibling and return the link; never blocks.

        Raises:
            LinkLost: It is gone.
            LinkFull: Too much waits for it.
        """
        link = self.links.get(tag)
        if link is None:
            raise LinkLost(tag)
        link.send(kind, payload, descriptor)
        return link

    def send_to_all(self, kind: Kind, payload: bytes) -> None:
        """Send a frame to every sibling that takes it."""
        for link in list(self.links.values()):
            try:
                link.send(kind, payload)
            except (LinkFull, LinkLost):
                logger.debug("worker %s is not told", named(link.tag))

    def refuse(self) -> None:
        """Take nothing from siblings any more; what they answer is still heard."""
        if self._listener is not None:
            self._meeting.forget(self.tag)
            self._stop_listening()
        for link in list(self._accepted):
            link.close()

    def close(self) -> None:
        """Leave; calling it again is harmless."""
        self.refuse()
        self._greenlets.kill(block=False)
        for link in list(self.links.values()):
            link.close()
        self.links.clear()

    # Being dialled

    def _listen(self) -> None:
        self._listener = self._meeting.listen(self.tag)
        self._watcher = get_hub().loop.io(self._listener.fileno(), _READ)
        self._watcher.start(self._accept)

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._watcher.stop()
            self._watcher.close()
            listener.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                # No descriptor is free: not in a circle without a pause.
                self._watcher.stop()
                gevent.spawn_later(1.0, self._accept_on)
                logger.warning("! a worker cannot be answered: %s", error)
            return
        if not is_own(sock) or sum(not link.tag for link in self._accepted) >= _MAX_STRANGERS:
            logger.error("! a process of another user is refused")
            sock.close()
            return
        link = Link(sock, self._on_accepted, self._accepted.discard)
        self._accepted.add(link)
        link.start()

    def _accept_on(self) -> None:
        if self._listener is not None:
            self._watcher.start(self._accept)

    def _on_accepted(self, link: Link, kind: Kind, payload: bytes, descriptor: int | None) -> None:
        if link.tag:
            self._owner.received(link, kind, payload, descriptor)
        elif kind is not Kind.HELLO:
            if descriptor is not None:
                os.close(descriptor)
            raise ValueError("a worker must say its name first")
        elif self._understands(hello := Hello.decode(payload)):
            link.tag = hello.tag
            link.send(Kind.HELLO, self._hello)
            # One that came later, or that this worker has lost, is sent to as well; one that
            # has lost this worker in between has to be told everything again.
            known = self.links.get(hello.tag)
            if known is None:
                self._dial(hello.tag)
            else:
                self._owner.joined(hello.tag, known)
        else:
            link.close()

    def _understands(self, hello: Hello) -> bool:
        if hello.version == VERSION:
            return True
        if not self._told_version:
            self._told_version = True
            logger.warning(
                "! worker %d has another version of flask_realtime: it is left alone", hello.pid
            )
        return False

    # Dialling

    def _dial(self, tag: str) -> None:
        if tag != self.tag and tag not in self.links and tag not in self._dialling:
            self._dialling.add(tag)
            self._greenlets.spawn(self._reach, tag)

    def _reach(self, tag: str) -> None:
        try:
            for pause in _AGAIN:
                try:
                    sock = self._meeting.connect(tag)
                except OSError as error:
                    logger.debug("worker %s does not answer: %s", named(tag), error)
                    gevent.sleep(pause)
                    continue
                if sock is None or self._greet(tag, sock):
                    return
        finally:
            self._dialling.discard(tag)
            if tag not in self.links:
                self._owner.left(tag)
            self._tell()

    def _greet(self, tag: str, sock: Any) -> bool:
        answered = Event()

        def received(link: Link, kind: Kind, payload: bytes, descriptor: int | None) -> None:
            if link.tag:
                self._owner.received(link, kind, payload, descriptor)
            elif kind is Kind.HELLO and Hello.decode(payload).tag == tag:
                link.tag = tag
                answered.set()
            else:
                raise ValueError("a worker must say its name first")

        def lost(link: Link) -> None:
            answered.set()
            if link.tag:
                self._lost(link)

        link = Link(sock, received, lost)
        link.start()
        try:
            link.send(Kind.HELLO, self._hello)
        except LinkLost:
            return False
        if not answered.wait(HELLO_TIMEOUT):
            logger.warning("! a worker hangs: it is left alone")
            # It may be stopped for a while: it dials by itself when it goes on.
            link.close()
        if not link.is_open or not link.tag:
            return False
        self.links[tag] = link
        logger.debug("+ link to worker %s", named(tag))
        try:
            self._owner.joined(tag, link)
        except (LinkLost, LinkFull):
            return False
        return True

    def _tell(self) -> None:
        self.changed.set()
        self.changed.clear()

    def _lost(self, link: Link) -> None:
        if self.links.get(link.tag) is link:
            del self.links[link.tag]
            logger.debug("- link to worker %s", named(link.tag))
            self._owner.broken(link)
            if self._listener is not None:
                self._dial(link.tag)

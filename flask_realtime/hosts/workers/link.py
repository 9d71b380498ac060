"""One connection to a sibling: frames, and the descriptors that some of them carry.

A greenlet reads; writing never blocks: what the kernel does not take waits in a bounded outbox.
Descriptors are paired with the frames that carry them, in order. One that is missing, because
this process has none left, ends the link: the next one would be another client's.
"""

from __future__ import annotations

import array
import errno
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent import get_hub
from gevent.monkey import get_original

from ...quoting import named, shown
from .frames import TAKES_DESCRIPTOR, FrameDecoder, Kind, encode_frame

__all__ = ["Link", "LinkFull", "LinkLost", "Received"]

logger = logging.getLogger(__name__)

#: Bytes that may wait for a sibling.
MAX_OUTBOX = 16_000_000
#: Seconds until a descriptor is offered again of which the kernel has too many under way.
_RETRY = 0.05
_READ, _WRITE = 1, 2
# Of more than 128 kB the allocator would ask the kernel anew, each time.
_READ_SIZE = 65_536
_DESCRIPTORS = 16
_SPACE = socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
# Linux has it; elsewhere a descriptor lives through an `exec` that comes at once.
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_NOSIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
# As a plain number: the flags of the standard library make an object of each result.
_TRUNCATED = int(socket.MSG_CTRUNC)

#: Called with the link, the kind, the payload and the descriptor of each frame; may block.
Received = Callable[["Link", Kind, bytes, "int | None"], None]


class LinkFull(Exception):
    """Too much waits for the sibling; nothing of the frame has been sent."""


class LinkLost(Exception):
    """The sibling is gone."""


class Link:
    """See the head of the file.

    Args:
        sock: A Unix stream socket; the link closes it.
        received: Takes the frames, and owns their descriptors.
        lost: Called once, in the hub or a greenlet, when the link is over.
        max_outbox: Bytes that may wait.
    """

    def __init__(
        self,
        sock: Any,
        received: Received,
        lost: Callable[[Link], None],
        max_outbox: int = MAX_OUTBOX,
    ) -> None:
        # Not gevent's object: a reader and a writer of its own are on it at the same time.
        self._socket = get_original("socket", "socket")(fileno=sock.detach())
        self._socket.setblocking(False)
        #: The tag of the sibling, once it is known.
        self.tag: str = ""
        self.is_open: bool = True
        self._received = received
        self._lost = lost
        self._max_outbox = max_outbox
        self._decoder = FrameDecoder()
        self._descriptors: deque[int] = deque()
        self._outbox: deque[tuple[memoryview, int | None]] = deque()
        self._size = 0
        loop = get_hub().loop
        self._reader = loop.io(self._socket.fileno(), _READ)
        self._writer = loop.io(self._socket.fileno(), _WRITE)
        self._greenlet: Any = None

    def start(self) -> None:
        """Begin to read."""
        self._greenlet = gevent.spawn(self._read)

    # Writing

    def send(self, kind: Kind, payload: bytes, descriptor: int | None = None) -> None:
        """Send a frame; never blocks.

        Args:
            kind: Its kind.
            payload: Its payload.
            descriptor: What goes with it; it stays open until the sibling has confirmed.

        Raises:
            LinkFull: Too much waits.
            LinkLost: The link is closed.
        """
        if not self.is_open:
            raise LinkLost(self.tag)
        frame = memoryview(encode_frame(kind, payload))
        if self._size and self._size + len(frame) > self._max_outbox:
            raise LinkFull(self.tag)
        if not self._outbox:
            sent = self._try(frame, descriptor)
            if sent == len(frame):
                return
            if sent:
                frame, descriptor = frame[sent:], None
        self._outbox.append((frame, descriptor))
        self._size += len(frame)
        if len(self._outbox) == 1:
            self._writer.start(self._on_writable)

    def _try(self, data: memoryview, descriptor: int | None) -> int:
        try:
            sent: int
            if descriptor is None:
                sent = self._socket.send(data, _NOSIGNAL)
            else:
                rights = array.array("i", [descriptor])
                with_it = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
                sent = self._socket.sendmsg([data], with_it, _NOSIGNAL)
            return sent
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.ETOOMANYREFS:
                raise LinkFull(self.tag) from error
            self.close()
            raise LinkLost(self.tag) from error

    def _on_writable(self) -> None:
        while self._outbox:
            data, descriptor = self._outbox[0]
            try:
                sent = self._try(data, descriptor)
            except LinkFull:
                self._writer.stop()
                gevent.spawn_later(_RETRY, self._write_on)
                return
            except LinkLost:
                return
            self._size -= sent
            if sent < len(data):
                # The descriptor went with the first byte.
                self._outbox[0] = (data[sent:], None if sent else descriptor)
                return
            self._outbox.popleft()
        self._writer.stop()

    def _write_on(self) -> None:
        if self.is_open:
            self._writer.start(self._on_writable)

    # Reading

    def _read(self) -> None:
        hub = get_hub()
        try:
            while self.is_open:
                try:
                    found = self._socket.recvmsg(_READ_SIZE, _SPACE, _CLOEXEC)
                except BlockingIOError:
                    hub.wait(self._reader)
                    continue
                if not self._take(*found[:3]):
                    return
                if self.is_open and len(found[0]) < _READ_SIZE:
                    # That was all: the next attempt would find nothing.
                    hub.wait(self._reader)
        except (OSError, LinkLost) as error:
            logger.debug("the link to worker %s broke: %s", named(self.tag), shown(error))
        except LinkFull:
            logger.error("! worker %s does not read what it is told", named(self.tag))
        except ValueError as error:
            logger.error("! worker %s is not understood: %s", named(self.tag), shown(error))
        finally:
            self.close()

    def _take(self, data: bytes, ancillary: list[Any], flags: int) -> bool:
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                self._descriptors.extend(numbers)
        if flags & _TRUNCATED:
            logger.error(
                "! no free descriptor: a connection from worker %s is lost", named(self.tag)
            )
            return False
        if not data:
            return False
        for frame in self._decoder.receive(data):
            descriptor = None
            if frame.kind in TAKES_DESCRIPTOR:
                if not self._descriptors:
                    raise ValueError("a connection came without its descriptor")
                descriptor = self._descriptors.popleft()
            if not self.is_open:
                # Closed by what came before: the sibling serves what was not confirmed.
                if descriptor is not None:
                    os.close(descriptor)
                continue
            self._received(self, frame.kind, frame.payload, descriptor)
        return True

    # The end

    def close(self) -> None:
        """End the link; calling it again is harmless."""
        if not self.is_open:
            return
        self.is_open = False
        for watcher in (self._reader, self._writer):
            watcher.stop()
            watcher.close()
        self._socket.close()
        self._outbox.clear()
        while self._descriptors:
            os.close(self._descriptors.popleft())
        if self._greenlet is not None and self._greenlet is not gevent.getcurrent():
            self._greenlet.kill(block=False)
        self._lost(self)

"""A TCP proxy that delays both directions, as a network does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from queue import SimpleQueue
from types import TracebackType

__all__ = ["LatencyProxy"]


class LatencyProxy:
    """Forwards to a local port; what is sent arrives ``delay`` seconds later.

    Args:
        port: Where to.
        delay: Seconds, each way.
    """

    def __init__(self, port: int, delay: float) -> None:
        self._target = port
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> LatencyProxy:
        self._acceptor.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(5)
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for sock in [self._listener, *self._sockets]:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(near)
            with contextlib.suppress(OSError):
                far = socket.create_connection(("127.0.0.1", self._target), 5)
                far.settimeout(None)
                self._sockets.append(far)
                self._pipe(near, far)
                self._pipe(far, near)

    def _pipe(self, source: socket.socket, target: socket.socket) -> None:
        # Each chunk has its own time: a delay, and no limit of what is on its way.
        chunks: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        for function, sock in ((self._receive, source), (_send, target)):
            thread = threading.Thread(target=function, args=(sock, chunks))
            self._threads.append(thread)
            thread.start()

    def _receive(self, sock: socket.socket, chunks: SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"?"
        while data:
            try:
                data = sock.recv(65_536)
            except OSError:
                data = b""
            chunks.put((time.monotonic() + self._delay, data))


def _send(sock: socket.socket, chunks: SimpleQueue[tuple[float, bytes]]) -> None:
    with contextlib.suppress(OSError):
        while True:
            due, data = chunks.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                sock.shutdown(socket.SHUT_WR)
                return
            sock.sendall(data)

"""Connections that siblings hand over: what this worker does with them.

They are in no pool of the host, which counts them neither against its limit nor when it waits
for the end of its requests: both are done here.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent.pool import Pool

from ..finder import HOST_SOCKET_KEY
from ..open_websocket import OpenWebSocket, bare
from ..owners import owner_of
from .frames import Kind
from .handover import Parcel
from .replay import ReplaySocket
from .worker import Worker

__all__ = ["Arrivals"]

logger = logging.getLogger(__name__)

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n"
)


class Arrivals:
    """Serves parcels as if this worker had accepted their connections.

    Args:
        worker: The host of this worker.
        application: What answers WebSockets that come without the host.
    """

    def __init__(self, worker: Worker, application: Callable[..., Iterable[bytes]]) -> None:
        self._worker = worker
        self._application = application
        #: Their connections, those of WebSockets whose requests have returned among them.
        self.pool: Pool = Pool(worker.capacity)
        self.websockets: set[OpenWebSocket] = set()
        #: How many there were.
        self.taken: int = 0

    def take(self, parcel: Parcel) -> None:
        """Serve a parcel; never blocks."""
        self.taken += 1
        sock = ReplaySocket(parcel.descriptor, parcel.data, parcel.hops)
        if self.pool.free_count() == 0:
            gevent.spawn(_refuse, sock)
        else:
            self.pool.spawn(self._run, sock, parcel)

    @property
    def count(self) -> int:
        """How many are served at the moment."""
        return len(self.pool)

    def stop(self) -> None:
        """Cut those that are not over."""
        self.pool.kill(timeout=1.0)

    def _run(self, sock: ReplaySocket, parcel: Parcel) -> None:
        try:
            if parcel.kind is Kind.UPGRADE:
                self._serve_upgrade(sock, parcel.about, parcel.data)
            else:
                self._serve(sock, parcel.about)
        finally:
            sock.close()

    def _serve(self, sock: ReplaySocket, about: dict[str, Any]) -> None:
        try:
            if about:
                local, peer = _address(about["local"]), _address(about["peer"])
            else:
                local, peer = sock.getsockname(), sock.getpeername()
        except OSError as error:
            logger.debug("the peer is gone: %s", error)
        else:
            self._worker.serve(sock, local, peer)

    def _serve_upgrade(self, sock: ReplaySocket, about: dict[str, Any], leftover: bytes) -> None:
        moved = _MovedSocket(self, sock, leftover, bool(about["upgraded"]))
        environ: dict[str, Any] = {
            **about["environ"],
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "gunicorn.socket": sock,
            HOST_SOCKET_KEY: lambda start_response: moved,
        }
        answer = _Answer(sock)
        try:
            for data in self._application(environ, answer.start):
                answer.write(data)
            answer.write(b"")
        except OSError as error:
            logger.debug("the peer is gone: %s", error)
        finally:
            moved.close()


class _MovedSocket:
    """See :class:`~flask_realtime.engine.requests.host.HostSocket`."""

    can_peek = True

    def __init__(self, arrivals: Arrivals, sock: Any, leftover: bytes, is_upgraded: bool) -> None:
        self._arrivals = arrivals
        self._websocket: OpenWebSocket | None = None
        self.socket = sock
        self.is_upgraded = is_upgraded
        self._leftover = leftover

    def switch_protocols(self, headers: Iterable[tuple[str, str]], first: bytes = b"") -> bytes:
        """Answer 101, unless another worker has."""
        if not self.is_upgraded:
            first = _head("101 Switching Protocols", headers) + first
        if first:
            self.socket.sendall(first)
        self.socket = bare(self.socket)
        return self._leftover

    def writer_of(self, write: Any) -> Any:
        """Return the answer that a ``write`` belongs to."""
        return owner_of(write, "write", lambda owner: isinstance(owner, _Answer))

    def detach(self, lost: Callable[[str], None]) -> Callable[[], None] | None:
        """Let the call of the application return."""
        self._websocket = OpenWebSocket.in_place_of(self._arrivals, self.socket, lost)
        return None if self._websocket is None else self._websocket.end

    def close(self) -> None:
        """Close the connection, unless a WebSocket goes on with it."""
        if self._websocket is None:
            self.socket.close()

    def give_back(self) -> None:
        """No host waits for it."""


class _Answer:
    """Writes the answer to an upgrade that is refused."""

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self._head = b""

    def start(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        """Take the head of the answer."""
        kept = [pair for pair in headers if pair[0].lower() != "connection"]
        self._head = _head(status, [*kept, ("Connection", "close")])
        return self.write

    def write(self, data: bytes) -> None:
        """Send a piece of the body, after the head."""
        head, self._head = self._head, b""
        if head or data:
            self._socket.sendall(head + data)


def _head(status: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status}\r\n", *(f"{name}: {value}\r\n" for name, value in headers)]
    return ("".join(lines) + "\r\n").encode("latin-1")


def _address(found: Any) -> Any:
    return tuple(found) if isinstance(found, list) else found


def _refuse(sock: Any) -> None:
    try:
        sock.settimeout(1.0)
        sock.sendall(_BUSY)
    except OSError as error:
        logger.debug("the peer is gone: %s", error)
    finally:
        sock.close()

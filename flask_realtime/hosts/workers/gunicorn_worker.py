"""gunicorn's gevent worker, as its siblings see it."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from gevent.monkey import get_original

from .replay import Address

__all__ = ["GunicornWorker"]

logger = logging.getLogger(__name__)

_Socket = get_original("socket", "socket")

#: Seconds that a new session waits at most for a worker that takes it: one that has to load yet.
_PATIENCE = 10.0


class GunicornWorker:
    """See :class:`~flask_realtime.hosts.workers.worker.Worker`.

    Args:
        worker: gunicorn's.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self.listeners: list[Any] = list(worker.sockets)
        # They are closed while the worker stops.
        self._addresses = [sock.getsockname() for sock in self.listeners]
        self._families = [sock.family for sock in self.listeners]
        self._server: Any = None

    @classmethod
    def among_siblings(cls, worker: Any) -> GunicornWorker | None:
        """Return the worker when there may be others that it can work with."""
        if worker.cfg.workers < 2:
            return None
        if getattr(worker.cfg, "protocol", "http") == "uwsgi":
            logger.warning(
                "! the workers do not share sessions: with --protocol uwsgi no connection can"
                " be handed over; use --workers 1, or sticky sessions"
            )
            return None
        try:
            return cls(worker)
        except OSError:
            # It was told to end before it had begun, and its listeners are closed already.
            return None

    @property
    def folder(self) -> str | None:
        """The folder for temporary files; ``None`` is that of the system."""
        found: str | None = self._worker.cfg.worker_tmp_dir
        return found

    @property
    def by_address(self) -> bool:
        """Whether each worker has listening sockets of its own for the same addresses."""
        return bool(getattr(self._worker.cfg, "reuse_port", False))

    @property
    def patience(self) -> float:
        """Seconds that requests may wait for a sibling while this worker ends."""
        return min(_PATIENCE, float(self._worker.cfg.graceful_timeout))

    @property
    def is_ending(self) -> bool:
        """Whether the worker takes no more requests by itself."""
        return not self._worker.alive

    @property
    def is_last(self) -> bool:
        """Whether all workers end: a master that goes on keeps its listeners open."""
        return self.is_ending and not any(
            _may_be_listened_at(*where)
            for where in zip(self._families, self._addresses, strict=True)
        )

    @property
    def capacity(self) -> int | None:
        """How many connections may come from siblings at a time."""
        found: int = self._worker.worker_connections
        return found

    def serve(self, sock: Any, local: Any, peer: Any) -> None:
        """Serve a connection as if it had been accepted here; returns when it is over."""
        if self._worker.server_class is None:
            self._worker.handle(Address(self._listener_of(local)), sock, peer)
        else:
            self._host_server().handle(sock, peer)

    def _listener_of(self, local: Any) -> Any:
        if isinstance(local, tuple):
            for address in self._addresses:
                # A listener of all addresses has another name than its connections.
                if isinstance(address, tuple) and address[1] == local[1]:
                    return address
        return local

    def _host_server(self) -> Any:
        """Return a server like the one of the worker, which it keeps to itself."""
        if self._server is None:
            worker = self._worker
            from gunicorn.http.wsgi import base_environ
            from gunicorn.workers.ggevent import VERSION

            environ = base_environ(worker.cfg)
            environ.update({"wsgi.multithread": True, "SERVER_SOFTWARE": VERSION})
            if worker.cfg.is_ssl:
                environ["wsgi.url_scheme"] = "https"
            server = worker.server_class(
                self._addresses[0],
                application=worker.wsgi,
                log=worker.log,
                handler_class=worker.wsgi_handler,
                environ=environ,
            )
            server.update_environ()
            self._server = server
        return self._server


def _may_be_listened_at(family: int, address: Any) -> bool:
    """Whether a process may listen at an address; in doubt, one does."""
    if isinstance(address, (str, bytes)):
        # The master removes it. An abstract address has no file.
        return address[:1] in ("\0", b"\0", "", b"") or os.path.exists(address)
    with _Socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # It succeeds beside connections, and beside listeners never.
            probe.bind(address)
        except OSError:
            return True
    return False

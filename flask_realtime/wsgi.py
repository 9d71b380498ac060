"""The WSGI middleware: requests below the server's path go to it, the rest to the application."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from .client_files import ClientFiles
from .engine.requests.host import HANDLER_KEY
from .engine.requests.request import REQUEST_KEY, Request
from .functions import require_function
from .hosts.gevent_check import REMEDY, is_on_hub, refuse_eventlet
from .hosts.gunicorn import WorkerWatch, find_worker
from .hosts.workers.beginning import call_in_worker
from .loop import children
from .server.server import BaseServer

if TYPE_CHECKING:
    from .hosts.workers.siblings import Siblings
    from .hosts.workers.worker import Worker

__all__ = ["Middleware"]

logger = logging.getLogger(__name__)

WSGIApp = Callable[..., Iterable[bytes]]


class Middleware:
    """A WSGI application in front of another.

    Args:
        server: The Socket.IO server.
        wsgi_app: Answers all other requests; they get 404 without one.
        root: The directory of the application, where the search for the JavaScript client
            begins; the program's and the current one by default.

    Raises:
        TypeError: The first argument is not a server, or the second cannot be called.
    """

    def __init__(
        self, server: BaseServer, wsgi_app: WSGIApp | None = None, root: str | None = None
    ) -> None:
        if not isinstance(server, BaseServer):
            raise TypeError(f"Middleware(server, wsgi_app): expected a Server, got {server!r}")
        if wsgi_app is not None:
            require_function(wsgi_app, "a WSGI application")
        self.server = server
        self.wsgi_app: WSGIApp = wsgi_app or Response("Not Found\n", 404)
        options = server.options
        path = options.path.rstrip("/")
        self._exact = None if options.add_trailing_slash else path
        self._prefix = path + "/"
        self._files = ClientFiles(options.serve_client, [root] if root else _program_folders())
        self._told = False
        # The one that has served a request; 0 before the first.
        self._process = 0
        self._watch: WorkerWatch | None = None
        self._siblings: Siblings | None = None
        server.joiners.append(self.join)
        call_in_worker(self._join_gunicorn)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request.

        Args:
            environ: The WSGI environ.
            start_response: The function that came with it.

        Returns:
            The body.

        Raises:
            RuntimeError: eventlet has patched the process.
        """
        if self._process != children.pid:
            self._begin()
        watch = self._watch
        if watch is None:
            return self._answer(environ, start_response)
        request = self.server.engine.request(environ, start_response)
        connection = watch.enter(request)
        try:
            return self._answer(environ, start_response, request)
        finally:
            watch.leave(connection, request)

    def _begin(self) -> None:
        """Serve in this process from now on: the first request of it has come."""
        refuse_eventlet()
        is_first = not self._process
        self._process = children.pid
        if is_first:
            self._look_for_worker()
        self.server.start()

    def _look_for_worker(self) -> None:
        # Not before the first request: an application may be loaded before its workers are.
        worker = find_worker()
        if worker is not None:
            watch = WorkerWatch(worker, self.server, self._siblings is not None)
            watch.start()
            self._watch = watch if watch.wants_requests else None

    def _join_gunicorn(self, worker: Any) -> None:
        if self.server.options.workers == "alone":
            return
        # Here: other hosts need nothing of it, and not every system has it.
        from .hosts.workers.gunicorn_worker import GunicornWorker

        found = GunicornWorker.among_siblings(worker)
        if found is not None:
            self.join(found)

    def join(self, worker: Worker) -> Siblings | None:
        """Join the other workers of this host; before the first request only.

        Args:
            worker: The host of this process.

        Returns:
            ``None`` when they cannot be found.
        """
        from .adapters.cluster.sibling_adapter import SiblingAdapter
        from .hosts.workers.siblings import Siblings

        self._siblings = Siblings.meet(worker, self.server, self)
        if self._siblings is not None and self.server.options.adapter is None:
            network = self._siblings.network
            self.server.use_adapters(lambda namespace: SiblingAdapter(namespace, network))
            # Other threads may emit from now on, and messages of other workers arrive.
            self.server.hub.bind()
            self.server.start()
        return self._siblings

    def _answer(
        self, environ: dict[str, Any], start_response: Any, request: Request | None = None
    ) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        response: Response | None = None
        if path != self._prefix:
            if not path.startswith(self._prefix) and path != self._exact:
                return self.wsgi_app(environ, start_response)
            response = self._files.answer(path[len(self._prefix) :], environ)
        if response is not None:
            engine = self.server.engine
            request = request or engine.request(environ, start_response)
            response.headers.extend(engine.cors_headers(request))
        # The embedded server needs no check: it is gevent's.
        if response is None and HANDLER_KEY not in environ and not is_on_hub(environ):
            response = self._explain()
        if response is not None:
            return response(environ, start_response)
        if request is not None:
            # The engine takes it from there.
            environ[REQUEST_KEY] = request
        if self._siblings is not None:
            request = request or self.server.engine.request(environ, start_response)
            elsewhere = self._siblings.route(request)
            if elsewhere is not None:
                return elsewhere
        answer: Iterable[bytes] = self.server.handle(environ, start_response)
        return answer

    def _explain(self) -> Response:
        if not self._told:
            self._told = True
            logger.error(REMEDY)
        return Response("This server needs gevent: see its log.\n", 503)


def _program_folders() -> list[str]:
    program = getattr(sys.modules.get("__main__"), "__file__", None)
    folders = [os.path.dirname(os.path.abspath(program))] if program else []
    return [*folders, os.getcwd()]

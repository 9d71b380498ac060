"""The Flask app with the middleware around it that the environment variable MIDDLEWARE names.

For gunicorn, ``tests.hosts.wrapped:app``; and by itself under the embedded server.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.profiler import ProfilerMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.middleware.shared_data import SharedDataMiddleware
from werkzeug.wrappers import Response

from tests.hosts.app import app, io
from tests.interop.server import announce
from tests.processes import free_port

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


def adding_headers(inner: App) -> App:
    """Add a header, and hand on what `start_response` returns."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Added", "yes")], exc_info)

        return inner(environ, start)

    return wrapped


def counting(inner: App) -> App:
    """Count what is written, and hand it on."""

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(*args: Any) -> Any:
            write = start_response(*args)
            sizes: list[int] = []

            def counted(data: bytes) -> Any:
                sizes.append(len(data))
                return write(data)

            return counted

        return inner(environ, start)

    return wrapped


class Transforming:
    """Begin the response when all of it is there, as middlewares that compress do."""

    def __init__(self, inner: App) -> None:
        self._inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        begun: list[Any] = []
        parts: list[bytes] = []

        def start(*args: Any) -> Any:
            begun[:] = args
            return lambda data: parts.append(data)

        parts += self._inner(environ, start)
        start_response(*begun)
        return parts


MIDDLEWARES: dict[str, Callable[[Any], Any]] = {
    "profiler": lambda inner: ProfilerMiddleware(inner, stream=None),
    "transforming": Transforming,
    "headers": adding_headers,
    "counting": counting,
    "two": lambda inner: adding_headers(counting(adding_headers(inner))),
    "proxy": ProxyFix,
    "shared": lambda inner: SharedDataMiddleware(inner, {"/hosts": os.path.dirname(__file__)}),
    "dispatcher": lambda inner: DispatcherMiddleware(inner, {"/other": Response("other")}),
}

app.wsgi_app = MIDDLEWARES[os.environ["MIDDLEWARE"]](app.wsgi_app)  # type: ignore[method-assign]

if __name__ == "__main__":
    port = free_port()
    gevent.spawn(announce, port)
    io.run(app, port=port)

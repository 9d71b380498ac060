"""The Flask extension: a server whose handlers are Flask code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask

from .context import APP_KEY, FlaskContext
from .loop.scheduler import Scheduler
from .options import Options, unknown_option
from .serving import Server
from .wsgi import Middleware

__all__ = ["Realtime"]

_PREFIX = "REALTIME_"


class Realtime(Server):
    """A Socket.IO server for Flask.

    ``current_app``, ``g``, ``request`` and ``session`` work in handlers as in views: ``request``
    is the one that opened the connection, ``g`` is new for each event, and teardown functions
    run after each event. What a handler puts into ``session`` stays with the connection; it
    cannot reach the browser's cookie.

    Args:
        app: The application; left out, :meth:`init_app` follows.
        scheduler: Runs the deadlines; tests bring one with their own clock.
        options: See :class:`~flask_realtime.Server`. Config keys ``REALTIME_<OPTION>`` of the
            application are used for what is not given here.
    """

    def __init__(
        self, app: Flask | None = None, *, scheduler: Scheduler | None = None, **options: Any
    ) -> None:
        super().__init__(scheduler=scheduler, **options)
        self._context = FlaskContext()
        self.runner.context = self._context
        self._given = options
        self._app: Flask | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, **options: Any) -> None:
        """Put the server in front of an application; handlers may be registered before.

        Args:
            app: The application; the extension is ``app.extensions["realtime"]``.
            options: As for the constructor; they win over its options and over the config.

        Raises:
            RuntimeError: The application has a server already.
            TypeError: It is no Flask application, or an option or a ``REALTIME_*`` key is unknown.
        """
        if not isinstance(app, Flask):
            raise TypeError(f"Realtime is for a Flask application, not {app!r}; see Server")
        if "realtime" in app.extensions:
            raise RuntimeError("this Flask application has a Realtime extension already")
        merged = {**_from_config(app), **self._given, **options}
        if merged != self._given:
            self.configure(merged)
        app.extensions["realtime"] = self
        self._app = self._context.app = app
        app.wsgi_app = _FlaskMiddleware(self, app)  # type: ignore[method-assign]

    def application(self) -> Flask:
        """Return the Flask application.

        Raises:
            RuntimeError: There is none yet.
        """
        if self._app is None:
            raise RuntimeError("this Realtime has no Flask application yet: call init_app() first")
        return self._app

    def run(  # type: ignore[override]
        self,
        app: Flask | None = None,
        host: str = "127.0.0.1",
        port: int = 5000,
        **pywsgi_options: Any,
    ) -> None:
        """Serve the application with gevent's ``pywsgi`` until SIGTERM or SIGINT.

        Args:
            app: The application; the one given to the extension by default.
            host: The address to listen on.
            port: The port; 0 takes a free one, which the banner names.
            pywsgi_options: For ``gevent.pywsgi.WSGIServer``: ``keyfile`` and ``certfile`` for
                TLS, ``log="default"`` for an access log on stderr.

        Raises:
            RuntimeError: There is no application.
        """
        application = app or self._app
        if application is None:
            raise RuntimeError("run() needs a Flask application")
        if application.extensions.get("realtime") is not self:
            self.init_app(application)
        self.serve(application, host, port, **pywsgi_options)


class _FlaskMiddleware(Middleware):
    """Leaves the application in the environ, where handlers find it."""

    def __init__(self, server: Realtime, app: Flask) -> None:
        super().__init__(server, app.wsgi_app, app.root_path)
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[APP_KEY] = self._app
        try:
            return super().__call__(environ, start_response)
        finally:
            FlaskContext.release()


def _from_config(app: Flask) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for key, value in app.config.items():
        if key.startswith(_PREFIX):
            name = key[len(_PREFIX) :].lower()
            if name not in Options.names():
                raise TypeError(f"{key}: " + unknown_option(name, Options.names()))
            options[name] = value
    return options

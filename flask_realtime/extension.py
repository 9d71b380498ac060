"""The Flask extension: a server whose handlers are Flask code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Flask

from .context import APP_KEY, FlaskContext
from .hints import unknown_option
from .hosts.development import debugged
from .hosts.run_options import DEFAULT_HOST, DEFAULT_PORT, RunOptions
from .loop.scheduler import Scheduler
from .options import Options
from .serving import Server
from .wsgi import Middleware

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .server.option_types import ServerOptions

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
        options: Those of :class:`~flask_realtime.Server`, which ``help(Realtime)`` lists. Config
            keys ``REALTIME_<OPTION>`` of the application are used for what is not given here.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        scheduler: Scheduler | None = None,
        **options: Unpack[ServerOptions],
    ) -> None:
        # With the application at hand, the server is built from its config at once.
        self._used: Mapping[str, Any] = options if app is None else _merged(app, options)
        super().__init__(scheduler=scheduler, **self._used)
        self._context = FlaskContext()
        self.runner.context = self._context
        self._given = options
        self._app: Flask | None = None
        self._front: Middleware | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, **options: Unpack[ServerOptions]) -> None:
        """Put the server in front of an application; handlers may be registered before.

        Args:
            app: The application; the extension is ``app.extensions["realtime"]``.
            options: As for the constructor; they win over its options and over the config.

        Raises:
            RuntimeError: The application has a server already.
            TypeError: It is not a Flask application, or an option or a ``REALTIME_*`` key is
                unknown.
        """
        merged = _merged(app, {**self._given, **options})
        if merged != self._used:
            self.configure(merged)
            self._used = merged
        app.extensions["realtime"] = self
        self._app = app
        self._context.add(app)
        self._front = _FlaskMiddleware(self, app)
        app.wsgi_app = self._front  # type: ignore[method-assign]

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
        host: str | None = DEFAULT_HOST,
        port: int | str | None = DEFAULT_PORT,
        *,
        debug: bool | None = None,
        use_reloader: bool | None = None,
        reloader_options: Mapping[str, Any] | None = None,
        extra_files: Sequence[str] | None = None,
        log: Any = None,
        workers: int | None = None,
        **keywords: Any,
    ) -> None:
        """Serve until SIGTERM, SIGINT or :meth:`Server.stop`; see :meth:`Server.run`.

        Args:
            app: The application; the one given to the extension by default.
            host: The address to listen on, and the other arguments: see :meth:`Server.run`.
            port: The port.
            debug: Whether the application is in debug mode; as ``app.debug`` by default, which
                ``FLASK_DEBUG`` sets. The reloader and the access log go with it.
            use_reloader: Whether the program starts again when a file of it changes.
            reloader_options: How its files are looked at.
            extra_files: Other files that are looked at.
            log: The access log.
            workers: How many processes serve, as one server.
            keywords: For TLS and gevent's server.

        Raises:
            TypeError: A keyword is unknown; the message names the nearest one.
            RuntimeError: There is no application, or the server has been closed, or the reloader
                is used where it does not work.
            SystemExit: As for :meth:`Server.run`.
        """
        application = app or self._app
        is_debug = debug if application is None or debug is not None else application.debug
        keywords.update(debug=is_debug, use_reloader=use_reloader, extra_files=extra_files)
        keywords.update(reloader_options=reloader_options, log=log, workers=workers)
        options = RunOptions.build(host, port, keywords)
        if application is None:
            raise RuntimeError("run() needs a Flask application")
        if application.extensions.get("realtime") is not self:
            self.init_app(application)
        if debug is not None:
            application.debug = bool(debug)
        if self._front is not None:
            behind = self._front.wsgi_app
            self._front.wsgi_app = debugged(behind, options.development, options.host)
        self.serve(application, options)


class _FlaskMiddleware(Middleware):
    """Puts the application into the environ, where the contexts of handlers find it."""

    def __init__(self, server: Realtime, app: Flask) -> None:
        super().__init__(server, app.wsgi_app, app.root_path)
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[APP_KEY] = self._app
        # A handler may send a request through its own application: its contexts stay pushed.
        before = FlaskContext.pushed()
        try:
            return super().__call__(environ, start_response)
        finally:
            FlaskContext.release(before)


def _merged(app: Flask, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options for an application: those given win over its config."""
    if not isinstance(app, Flask):
        raise TypeError(f"Realtime is for a Flask application, not {app!r}; see Server")
    if "realtime" in app.extensions:
        raise RuntimeError("this Flask application has a Realtime extension already")
    return {**_from_config(app), **options}


def _from_config(app: Flask) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for key, value in app.config.items():
        if key.startswith(_PREFIX):
            name = key[len(_PREFIX) :].lower()
            if name not in Options.names():
                raise TypeError(f"{key}: " + unknown_option(name, Options.names()))
            options[name] = value
    return options

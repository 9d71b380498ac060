"""The environ of a first request, trimmed, when the application lets go of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["APP_KEY", "TrimmedEnviron", "shed_headers", "trimmed"]

#: Where the middleware of an application leaves the application for its handlers.
APP_KEY = "flask_realtime.app"
# What the handshake of a socket tells without headers, and the application.
_KEPT = (
    "REMOTE_ADDR",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "wsgi.url_scheme",
    APP_KEY,
)


class TrimmedEnviron(dict[str, Any]):
    """A WSGI environ without its headers and its host."""

    __slots__ = ()


def trimmed(environ: Mapping[str, Any]) -> TrimmedEnviron:
    """Return what is kept of a request."""
    return TrimmedEnviron({key: environ[key] for key in _KEPT if key in environ})


def shed_headers(environ: Any) -> None:
    """Take the headers out of the environ of a WebSocket's request.

    The host and the middlewares around the application hold it until the WebSocket is over. They
    find the rest where it was: an access log has its request line, and no user agent.
    """
    kept = {key: value for key, value in environ.items() if not key.startswith("HTTP_")}
    # A new beginning: a dictionary does not shrink by itself.
    environ.clear()
    environ.update(kept)

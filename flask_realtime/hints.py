"""Error messages for options and keywords that other Socket.IO servers have."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any, Final, NoReturn

__all__ = ["LISTENER_KEYWORDS", "SERVER_KEYWORDS", "refuse_keywords", "unknown_option"]

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LOGGERS: Final = 'configure logging.getLogger("flask_realtime") instead'

#: Options of Flask-SocketIO and python-socketio that have another name, or no meaning, here.
_OPTIONS: Final = {
    "message_queue": 'set adapter="redis://..." to join servers',
    "client_manager": 'set adapter="redis://..." to join servers',
    "channel": "give the key to RedisAdapter",
    "write_only": "use an Emitter",
    "cors_allowed_origins": "set cors to the origins",
    "cors_credentials": 'set cors={"origin": ..., "credentials": True}',
    "async_mode": "leave it out, the server always runs on gevent",
    "manage_session": "leave it out, a change of the session stays with the connection",
    "async_handlers": "set concurrent=True, here or for one event; handlers run in order otherwise",
    "always_connect": "leave it out, middlewares (io.use) decide before a client is let in",
    "namespaces": "io.of(name) makes a namespace",
    "resource": "set path, with a slash in front",
    "compression_threshold": 'set http_compression={"threshold": bytes}',
    "logger": _LOGGERS,
    "engineio_logger": _LOGGERS,
}

#: What their methods take as keywords.
_KEYWORDS: Final = {
    "to": "io.to(room).{method}(...)",
    "room": "io.to(room).{method}(...)",
    "broadcast": "io.{method}(...) for every client, socket.broadcast.{method}(...) for all others",
    "include_self": "socket.broadcast.{method}(...), which leaves the socket out",
    "skip_sid": "io.except_(sid).{method}(...)",
    "callback": "emit(..., ack=fn)",
    "ack": "emit(..., ack=fn)",
    "namespace": "io.of(namespace).{method}(...)",
    "sid": "io.to(sid).{method}(...)",
    "timeout": "timeout(seconds).{method}(...)",
    "ignore_queue": "local.{method}(...)",
    "json": "{method}(value), which is sent as JSON",
}


#: What the methods take that register listeners of a server, of a connection first of all.
LISTENER_KEYWORDS: Final = {
    "concurrent": "@io.event(name, concurrent=True)",
    "thread": "@io.event(name, thread=True)",
    "namespace": "io.of(namespace).{method}(...)",
}

#: An event for other servers reaches all of them.
SERVER_KEYWORDS: Final = {
    "callback": "{method}(..., ack=fn)",
    "timeout": "server_side_emit_with_ack(..., timeout=seconds)",
    "namespace": "io.of(namespace).{method}(...)",
    **dict.fromkeys(
        ("to", "room", "sid", "skip_sid", "broadcast", "include_self"),
        "io.to(room).emit(...) for clients of all servers; the other servers have no rooms",
    ),
}


def unknown_option(name: str, known: Collection[str]) -> str:
    """Return the text of the error for an unknown option.

    Args:
        name: As it was given.
        known: The names of all options.
    """
    text = f"unknown option {name!r}"
    if name in _OPTIONS:
        return f"{text}: {_OPTIONS[name]}"
    snake = _HUMP.sub("_", name).lower()
    if snake in known:
        return f"{text}; did you mean {snake!r}? Durations are seconds here"
    near = difflib.get_close_matches(snake, known, n=1)
    return f"{text}; did you mean {near[0]!r}?" if near else text


def refuse_keywords(
    method: str, given: Mapping[str, Any], known: Mapping[str, str] = _KEYWORDS
) -> NoReturn:
    """Raise ``TypeError`` for keywords that a method does not take.

    Args:
        method: The name of the method.
        given: The keywords; the message names the first, and what to write instead.
        known: What to write, by keyword.
    """
    name = next(iter(given))
    text = f"{method}() got an unexpected keyword argument {name!r}"
    how = known.get(name)
    raise TypeError(text if how is None else f"{text}: write {how.format(method=method)}")

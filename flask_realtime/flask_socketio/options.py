"""Options as Flask-SocketIO has them, as those of the engine.

What the engine has no use for is accepted, and named in one line of the log.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, Sized
from typing import Any, NamedTuple

from flask import Flask
from flask import json as flask_json

from ..codec.msgpack_parser import MsgpackParser
from ..engine.requests.allowed_origins import check_origins
from ..options import Options
from ..quoting import quoted, shown
from .message_queue import MessageQueue

__all__ = ["Settings", "note_meaningless", "settings_of"]

logger = logging.getLogger(__name__)

_EVERY_ORIGIN = re.compile(r".*")
_LOGGERS = ("logger", "engineio_logger")
_THREADS = (
    '! async_mode="threading": there is gevent only. A call that blocks, such as time.sleep() or '
    "a query, stops all clients unless the first lines of the program are: from gevent import "
    "monkey; monkey.patch_all()"
)
_NO_MANAGER = (
    "client_manager: a manager of python-socketio does not work with this server; "
    "message_queue= takes the URL of a Redis server, adapter= fn(namespace) another broker"
)


class Settings(NamedTuple):
    """What the options of an application come to.

    Attributes:
        engine: Options for the engine.
        queue: Where other servers are, if there are any.
        namespaces: Those that are accepted without handlers; ``"*"`` for all.
        async_handlers: Whether each event gets a greenlet of its own.
        always_connect: Whether clients are let in before the handler is asked.
    """

    engine: dict[str, Any]
    queue: MessageQueue | None
    namespaces: Any
    async_handlers: bool
    always_connect: bool


def settings_of(given: Mapping[str, Any], app: Flask | None) -> Settings:
    """Translate options.

    Args:
        given: As they were given to ``SocketIO`` and ``init_app``.
        app: The application; a process without one only emits.

    Raises:
        TypeError, ValueError: An option cannot be had here.
    """
    values = dict(given)
    url, channel = values.pop("message_queue", None), values.pop("channel", None)
    manager = values.pop("client_manager", None)
    if manager is not None and not isinstance(manager, MessageQueue):
        raise TypeError(_NO_MANAGER)
    queue = MessageQueue(url, channel, write_only=app is None) if url else None
    namespaces = values.pop("namespaces", None)
    settings = Settings(
        engine={},
        queue=queue,
        namespaces=["/"] if namespaces is None else namespaces,
        async_handlers=bool(values.pop("async_handlers", True)),
        always_connect=bool(values.pop("always_connect", False)),
    )
    _log_as_told(values)
    _check_mode(values.pop("async_mode", None))
    if values.get("json") is flask_json:
        # It does what the application says only inside of a context: this does always.
        values["json"] = None if app is None else app.json
    if settings.namespaces == "*":
        # Clients choose the names: what is empty must not stay.
        values.setdefault("cleanup_empty_child_namespaces", True)
    settings.engine.update(_engine_options(values))
    if queue is not None:
        settings.engine["adapter"] = queue.waiting_adapter
    return settings


def _engine_options(values: dict[str, Any]) -> dict[str, Any]:
    path = values.pop("path", None) or values.pop("resource", None) or "socket.io"
    values.pop("resource", None)
    engine: dict[str, Any] = {"path": "/" + path.strip("/")}
    _take_cors(values, engine)
    _take_transport(values, engine)
    for name in [name for name in values if name in Options.names()]:
        engine[name] = values.pop(name)
    note_meaningless("SocketIO()", values)
    return {name: value for name, value in engine.items() if value is not None}


def _take_cors(values: dict[str, Any], engine: dict[str, Any]) -> None:
    credentials = values.pop("cors_credentials", None)
    origins = values.pop("cors_allowed_origins", None)
    if origins is None or "cors" in values:
        return
    everyone = origins == "*" or origins == ["*"]
    if not everyone and not isinstance(origins, str) and isinstance(origins, Sized):
        everyone = not len(origins)
    if everyone and not credentials:
        # Every site would act in the name of its visitors: only when that is asked for.
        engine["cors"] = "*"
    elif everyone:
        engine["cors"] = {"origin": _EVERY_ORIGIN, "credentials": True}
    else:
        one = isinstance(origins, str) or callable(origins)
        kept = [origin for origin in ([origins] if one else origins) if _can_match(origin)]
        engine["cors"] = {"origin": kept, "credentials": credentials is not False}


def _can_match(origin: Any) -> bool:
    try:
        check_origins([origin])
    except (TypeError, ValueError) as error:
        logger.warning("! cors_allowed_origins: left out: %s", shown(error))
        return False
    return True


def _take_transport(values: dict[str, Any], engine: dict[str, Any]) -> None:
    interval = values.pop("ping_interval", None)
    if isinstance(interval, (tuple, list)):
        # The second number is a grace period that the engine does not need.
        interval = interval[0]
    engine["ping_interval"] = interval
    transports = values.pop("transports", None)
    engine["transports"] = [transports] if isinstance(transports, str) else transports
    threshold = values.pop("compression_threshold", None)
    compress = values.pop("http_compression", True)
    engine["http_compression"] = {"threshold": threshold} if threshold and compress else compress
    cookie = values.pop("cookie", None)
    engine["cookie"] = _cookie(cookie) if isinstance(cookie, Mapping) else cookie
    serializer = values.pop("serializer", None) or "default"
    if serializer == "msgpack":
        engine["parser"] = MsgpackParser()
    elif serializer != "default":
        raise ValueError(f'serializer must be "default" or "msgpack" here, not {serializer!r}')


def _cookie(given: Mapping[str, Any]) -> dict[str, Any]:
    cookie = {}
    for name, value in given.items():
        key = name.lower().replace("-", "_")
        if callable(value):
            logger.warning("! cookie: %s is called once, not for each client", quoted(name))
            value = value()
        cookie["max_age" if key == "maxage" else key] = value
    return cookie


def _check_mode(mode: Any) -> None:
    if mode == "threading":
        logger.warning(_THREADS)
    elif mode not in (None, "gevent"):
        logger.warning("! async_mode=%s: gevent is used", quoted(mode))


def _log_as_told(values: dict[str, Any]) -> None:
    told = [values.pop(name, False) for name in _LOGGERS]
    if any(value is True for value in told):
        package = logging.getLogger("flask_realtime")
        package.setLevel(logging.INFO)
        if not package.hasHandlers():
            package.addHandler(logging.StreamHandler(sys.stderr))
    elif any(told):
        logger.warning(
            "! logger=, engineio_logger=: a logger has no meaning here; "
            'logging.getLogger("flask_realtime") is where everything is logged'
        )


def note_meaningless(where: str, values: Mapping[str, Any]) -> None:
    """Name in one line of the log what was given and changes nothing."""
    if values:
        names = ", ".join(f"{name}=" for name in values)
        logger.warning("! %s: without a meaning here: %s", shown(where), shown(names))

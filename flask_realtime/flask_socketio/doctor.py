"""Looks at an application of Flask-SocketIO and says what will differ here.

Nothing is run: options and handlers are those that the extension has, and the files of the
handlers are read as text.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..engine.requests.allowed_origins import check_origins

__all__ = ["examine", "functions_of", "look_at_handlers", "look_at_options", "look_at_source"]

#: Functions and methods that take a room as `to` or `room`.
_SENDING = frozenset({"emit", "send", "call"})
#: Rooms that are none, or all, there.
_EMPTY = frozenset({"0", "''", "[]", "()"})


def examine(app: Any) -> list[str]:
    """Return what will differ for an application; a line each.

    Args:
        app: A Flask application with an extension of either package.

    Raises:
        LookupError: It has no such extension.
    """
    extension = getattr(app, "extensions", {}).get("socketio")
    if extension is None:
        raise LookupError("this application has no SocketIO extension")
    functions = list(functions_of(extension))
    lines = look_at_options(getattr(extension, "server_options", {}))
    lines += look_at_handlers(functions)
    for file in sorted({file for _, _, function in functions for file in _file_of(function)}):
        lines += look_at_source(file, Path(file).read_text(encoding="utf-8"))
    return lines


def look_at_options(options: Mapping[str, Any]) -> list[str]:
    """Return what options come to."""
    found = []
    url = str(options.get("message_queue") or "")
    scheme = url.partition("://")[0]
    if url and scheme.partition("+")[0] not in ("redis", "rediss", "unix"):
        found.append(f"message_queue: {scheme} has no adapter here: Redis has")
    elif url:
        found.append(
            "message_queue: servers of python-socketio on the same Redis are not heard: change "
            "all servers at once"
        )
    mode = options.get("async_mode")
    if mode not in (None, "gevent"):
        found.append(
            f"async_mode={mode!r}: gevent is used; the first lines of the program should be: "
            "from gevent import monkey; monkey.patch_all()"
        )
    if options.get("serializer") not in (None, "default", "msgpack"):
        found.append('serializer: there are "default" and "msgpack"')
    origins = options.get("cors_allowed_origins")
    if origins in ("*", ["*"]) and options.get("cors_credentials") is None:
        found.append('cors_allowed_origins="*": without credentials, unless cors_credentials=True')
    elif origins not in ("*", ["*"]):
        found += _silent_origins(origins)
    return found


def _silent_origins(origins: Any) -> Iterator[str]:
    given = origins if isinstance(origins, (list, tuple, set)) else [origins]
    for origin in given:
        try:
            check_origins([origin])
        except (TypeError, ValueError) as error:
            yield f"cors_allowed_origins: {error}"


def look_at_handlers(handlers: Iterable[tuple[str, str, Callable[..., Any]]]) -> list[str]:
    """Return what is particular about handlers: event, namespace and function of each."""
    found = []
    for event, namespace, function in handlers:
        where = f"handler of {event!r} in {namespace!r}"
        if inspect.iscoroutinefunction(function):
            found.append(f"{where}: a coroutine function never runs: write a plain one")
        if not namespace.startswith(("/", "*")):
            found.append(f"{where}: the namespace is /{namespace}, and clients reach it now")
        if event == "*" and namespace == "*":
            found.append(f"{where}: it is called now")
    return found


def functions_of(extension: Any) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Return the event, the namespace and the function of each handler of an extension."""
    for event, function, namespace in getattr(extension, "handlers", ()):
        yield event, namespace, inspect.unwrap(function)
    # The other package hands them over when it is initialised.
    server = getattr(extension, "server", None)
    for namespace, functions in (getattr(server, "handlers", None) or {}).items():
        for event, function in functions.items():
            yield event, namespace, inspect.unwrap(function)
    classes = list(getattr(extension, "namespace_handlers", ()))
    classes += (getattr(server, "namespace_handlers", None) or {}).values()
    for handler in classes:
        for name, method in inspect.getmembers(handler, inspect.ismethod):
            if name.startswith("on_"):
                yield name[3:], handler.namespace, inspect.unwrap(method)


def _file_of(function: Callable[..., Any]) -> list[str]:
    try:
        file = inspect.getsourcefile(function)
    except TypeError:
        return []
    return [file] if file is not None and Path(file).is_file() else []


def look_at_source(name: str, source: str) -> list[str]:
    """Return what a file has that is different here.

    Args:
        name: Of the file, for the lines.
        source: Its text.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [f"{name}:{error.lineno} cannot be read: {error.msg}"]
    return [
        f"{name}:{getattr(node, 'lineno', 1)} {what}"
        for node in ast.walk(tree)
        for what in _told_by(node)
    ]


def _told_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module is not None:
        package = node.module.partition(".")[0]
        if package == "flask_socketio":
            yield f"import: from flask_realtime.{node.module} import …"
        elif package == "socketio":
            yield "import: python-socketio is not used: see TimeoutError, ConnectionRefusedError"
        elif package == "eventlet":
            yield "eventlet: gevent takes its place"
    elif isinstance(node, ast.Import):
        if any(alias.name.partition(".")[0] == "eventlet" for alias in node.names):
            yield "eventlet: gevent takes its place; after eventlet.monkey_patch() nothing starts"
    elif isinstance(node, ast.Call):
        yield from _told_by_call(node)


def _told_by_call(call: ast.Call) -> Iterator[str]:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in _SENDING:
        return
    for keyword in call.keywords:
        # Their `repr` tells 0 from False.
        text = ast.unparse(keyword.value)
        if keyword.arg in ("to", "room") and text in _EMPTY:
            yield f"{keyword.arg}={text}: here that is no longer everybody or the sender"

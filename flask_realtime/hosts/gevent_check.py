"""Whether a process and its requests run on gevent.

A host that calls the application at the root of a thread, whether it has one thread or many,
runs no hub between two requests: what a session waits for would never come.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from gevent import getcurrent
from gevent.hub import Hub

__all__ = ["REMEDY", "is_on_hub", "refuse_eventlet"]

REMEDY = (
    "flask_realtime needs a gevent server and got a request from one without gevent: start the "
    "application with io.run(app) or gunicorn -k gevent"
)

#: What a server leaves in the environ, and a test client does not.
_OF_SERVERS = frozenset(
    {"SERVER_SOFTWARE", "gunicorn.socket", "mod_wsgi.version", "uwsgi.version", "werkzeug.socket"}
)
_PATCHED = ("socket", "thread", "time", "os", "select")


def is_on_hub(environ: Mapping[str, Any]) -> bool:
    """Return whether a request is answered in a greenlet of gevent.

    A program that calls the application itself, as test clients do, counts as well: while it
    waits it runs the hub of its thread.
    """
    above = getcurrent().parent
    if isinstance(above, Hub):
        return True
    while above is not None:
        above = above.parent
        if isinstance(above, Hub):
            return True
    return not environ.get("wsgi.multithread") and _is_made_here(environ)


def _is_made_here(environ: Mapping[str, Any]) -> bool:
    # A server reads the body from a connection.
    return isinstance(environ.get("wsgi.input"), BytesIO) and _OF_SERVERS.isdisjoint(environ)


def refuse_eventlet() -> None:
    """Raise an error when eventlet has replaced the standard library.

    Raises:
        RuntimeError: ``eventlet.monkey_patch()`` has been called.
    """
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and any(patcher.is_monkey_patched(name) for name in _PATCHED):
        raise RuntimeError(
            "eventlet.monkey_patch() has been called, and flask_realtime works with gevent: "
            "write 'from gevent import monkey; monkey.patch_all()' in its place"
        )

"""The optional compiled build: of which modules mypyc makes C, and the rules that these obey.

``FLASK_REALTIME_COMPILE=1 pip install .`` builds it; setup.py asks here. The modules are those on
the way of every message and of every polling request. They are the same sources, and Python reads
all of them where nothing was compiled.

The rules, which ``tests/test_compiling.py`` holds:

- No function is inside another: with what it refers to it is a circle, which waits for the
  collector of garbage. ``raise … from …`` raises :func:`~flask_realtime.errors.caused`, no slice
  of bytes may end before it begins, and nothing calls ``__new__`` of a class of these modules.
- Nothing that recurses on input is compiled: in C no limit of recursion ends it but the stack's.
- A compiled class has compiled bases and compiled subclasses alone; built-in exceptions but the
  plain ones are no base either. So no class that applications derive from is compiled.
- What is known by its code or its frames stays Python: the functions in ``server/work.py``, and
  those in which the greenlets of pools begin, since greenlet takes one that waits without any
  frame for one that runs in another thread.
"""

from __future__ import annotations

import os
import sys
from typing import Any
from zlib import crc32

__all__ = ["MODULES", "VARIABLE", "extensions", "is_wanted", "options", "requirements"]

#: The environment variable that asks for the build, with any value but an empty one.
VARIABLE = "FLASK_REALTIME_COMPILE"

MODULES = (
    # Requests of the embedded server and of `RealtimeWorker`
    "flask_realtime/hosts/request_head.py",
    "flask_realtime/hosts/request_environ.py",
    "flask_realtime/hosts/request_stream.py",
    "flask_realtime/hosts/response.py",
    # Polling
    "flask_realtime/codec/payload.py",
    "flask_realtime/engine/requests/http.py",
    "flask_realtime/engine/requests/polls.py",
    "flask_realtime/engine/requests/request.py",
    "flask_realtime/engine/requests/router.py",
    "flask_realtime/engine/requests/verify.py",
    "flask_realtime/engine/transports/polling.py",
    # WebSockets
    "flask_realtime/codec/websocket.py",
    "flask_realtime/engine/transports/backlog.py",
    "flask_realtime/engine/transports/deflate.py",
    "flask_realtime/engine/transports/websocket.py",
    "flask_realtime/engine/transports/writer.py",
    # Messages
    "flask_realtime/codec/decoder.py",
    "flask_realtime/codec/message.py",
    "flask_realtime/codec/socket_packet.py",
    "flask_realtime/engine/traffic.py",
)

# Without the project's configuration, and without what the sources import: how they are typed is
# checked elsewhere.
_MYPY = ("--config-file=", "--ignore-missing-imports")


def is_wanted() -> bool:
    """Return whether this build compiles."""
    return bool(os.environ.get(VARIABLE))


def requirements() -> list[str]:
    """Return what the build needs beside setuptools."""
    return ["mypy>=2.1"] if is_wanted() else []


def options() -> dict[str, dict[str, str]]:
    """Return the options of setuptools' commands.

    What another list of modules has left in the folder of builds would get into the package.
    """
    folder = f"build/compiled-{crc32(repr(MODULES).encode()):08x}"
    return {"build": {"build_base": folder}} if is_wanted() else {}


def extensions() -> list[Any]:
    """Return the extension modules of this build; none unless it compiles.

    Raises:
        SystemExit: It is an editable installation, in which changes would not be seen.
    """
    # Builds ask for metadata first, before what they need is there.
    if not is_wanted() or {"egg_info", "dist_info", "sdist"}.intersection(sys.argv):
        return []
    if "editable_wheel" in sys.argv:
        sys.exit(f"{VARIABLE} is for packages: an editable installation would run the old C")
    from mypyc.build import mypycify

    made: list[Any] = mypycify([*_MYPY, *MODULES], opt_level="3", debug_level="1")
    return made

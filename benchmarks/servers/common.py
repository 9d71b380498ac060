"""What the Python servers of the comparison share: options, readiness, versions."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from flask_realtime import Server, Socket  # --no-orjson must act first

HOST = "127.0.0.1"
START_SECONDS = 15


def parse_options(*more: str) -> argparse.Namespace:
    """Read the options that all servers take; to be called before flask_realtime is imported.

    Args:
        more: Names of options with a text that this server takes as well.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument(
        "--versions", action="store_true", help="print the versions as JSON and end"
    )
    parser.add_argument("--no-orjson", action="store_true", help="use the standard library's json")
    for name in more:
        parser.add_argument(name)
    options = parser.parse_args()
    if options.no_orjson:
        # None is how the import system marks a module that must not be found.
        sys.modules["orjson"] = cast(ModuleType, None)
    return options


@contextmanager
def imports(remedy: str) -> Iterator[None]:
    """Turn a failed import inside the block into one line that says what to run."""
    try:
        yield
    except ImportError as error:
        sys.exit(f"{error}: run `{remedy}`")


def print_versions(*packages: str, **more: str) -> None:
    """Answer --versions."""
    found = {package: version(package) for package in packages}
    print(json.dumps({"python": platform.python_version(), **found, **more}))


def json_module() -> str:
    """Return the JSON implementation that flask_realtime finds in this process."""
    try:
        importlib.import_module("orjson")
    except ImportError:
        return "standard library"
    return f"orjson {version('orjson')}"


def answer_load(io: Server) -> None:
    """Let the bare server answer the three events of the load generator."""

    @io.on("connection")
    def connected(socket: Socket) -> None:
        @socket.on("echo")
        def echo(payload: str) -> None:
            socket.emit("echo", payload)

        @socket.on("ack")
        def ack(payload: str) -> str:
            return payload

        @socket.on("bcast")
        def bcast(payload: str) -> None:
            io.emit("b", payload)


def announce(port: int) -> None:
    """Print "listening PORT" as soon as the server that is about to run accepts connections."""
    import gevent
    from gevent import socket

    def wait() -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, port), timeout=1).close()
            except OSError:
                gevent.sleep(0.02)
            else:
                print(f"listening {port}", flush=True)
                return

    gevent.spawn(wait)

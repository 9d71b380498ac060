"""The JavaScript client at ``/socket.io/socket.io.js``: the ``serve_client`` option."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from werkzeug.utils import redirect, send_file
from werkzeug.wrappers import Response

__all__ = ["CLIENT_FILES", "ClientFiles"]

_NAMES = ("socket.io", "socket.io.min", "socket.io.esm.min", "socket.io.msgpack.min")
#: What is served below the path of the server.
CLIENT_FILES = frozenset(f"{name}.js{suffix}" for name in _NAMES for suffix in ("", ".map"))

#: The release that is linked to when there is none on this machine.
_RELEASE = "4.8.1"
_CDN = "https://cdn.socket.io"


class ClientFiles:
    """Answers requests for the client.

    Args:
        option: ``True`` to search, a directory, or ``False``.
        starts: Where the search for ``node_modules`` begins; it goes upwards from there.
    """

    def __init__(self, option: bool | str, starts: Iterable[str]) -> None:
        self._is_on = bool(option)
        if isinstance(option, bool):
            self._directory = _search(starts) if option else None
        else:
            self._directory = Path(option)
            if not self._directory.is_dir():
                raise ValueError(f"serve_client: there is no directory {option!r}")

    def answer(self, name: str, environ: dict[str, Any]) -> Response | None:
        """Return the response for a file; ``None`` when it is not ours to serve."""
        if not self._is_on or name not in CLIENT_FILES:
            return None
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        if self._directory is None:
            return redirect(f"{_CDN}/{_RELEASE}/{name}")
        path = self._directory / name
        if not path.is_file():
            return None
        mimetype = "application/json" if name.endswith(".map") else "application/javascript"
        response = send_file(
            path, environ, mimetype=mimetype, etag=_version(self._directory), conditional=True
        )
        response.headers["Cache-Control"] = "public, max-age=0"
        return response


def _search(starts: Iterable[str]) -> Path | None:
    for start in starts:
        here = Path(start).resolve()
        for folder in (here, *here.parents):
            directory = folder / "node_modules" / "socket.io-client" / "dist"
            if directory.is_dir():
                return directory
    return None


def _version(directory: Path) -> str | bool:
    """Return the version of the client, its ETag; without one the file's own data is used."""
    package = directory.parent / "package.json"
    try:
        return str(json.loads(package.read_text())["version"])
    except (OSError, ValueError, KeyError):
        return True

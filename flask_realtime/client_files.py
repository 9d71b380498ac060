"""The JavaScript client at ``/socket.io/socket.io.js``: the ``serve_client`` option.

A file is compressed when it is first asked for; each of the few files is kept once for each
encoding, until it changes on the disk.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from werkzeug.utils import redirect, send_file
from werkzeug.wrappers import Response

from .engine.requests.http import choose_encoding, encode
from .quoting import shown

__all__ = ["CLIENT_FILES", "ClientFiles"]

logger = logging.getLogger(__name__)

_NAMES = ("socket.io", "socket.io.min", "socket.io.esm.min", "socket.io.msgpack.min")
#: What is served below the path of the server.
CLIENT_FILES = frozenset(f"{name}.js{suffix}" for name in _NAMES for suffix in ("", ".map"))

#: The release that is linked to when there is none on this machine.
_RELEASE = "4.8.1"
_CDN = "https://cdn.socket.io"

#: Bytes from which a file is compressed.
_THRESHOLD = 1024
_JAVASCRIPT = "application/javascript"


class ClientFiles:
    """Answers requests for the client.

    Args:
        option: ``True`` to search, a directory, or ``False``.
        starts: Where the search for ``node_modules`` begins; it goes upwards from there.
    """

    def __init__(self, option: bool | str | os.PathLike[str], starts: Iterable[str]) -> None:
        self._is_on = bool(option)
        if isinstance(option, bool):
            self._directory = _search(starts) if option else None
        else:
            self._directory = Path(option)
            if not self._directory.is_dir():
                raise ValueError(f"serve_client: the directory {option!r} does not exist")
        self._told = False
        # By name and encoding: when the file was changed, its size, and the compressed body.
        self._kept: dict[tuple[str, str], tuple[tuple[int, int], bytes]] = {}

    def answer(self, name: str, environ: dict[str, Any]) -> Response | None:
        """Return the response for a file; ``None`` when it is not one of the client's."""
        if not self._is_on or name not in CLIENT_FILES:
            return None
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return None
        if not self._told:
            # At the first request: by now the application has configured its log.
            self._told = True
            source = f"{_CDN}, release {_RELEASE}" if self._directory is None else self._directory
            logger.info("= the client's files come from %s", shown(source))
        if self._directory is None:
            return redirect(f"{_CDN}/{_RELEASE}/{name}")
        path = self._directory / name
        if not path.is_file():
            return None
        stat = path.stat()
        state = (stat.st_mtime_ns, stat.st_size)
        encoding = choose_encoding(environ) if stat.st_size >= _THRESHOLD else None
        if encoding is None:
            response = send_file(path, environ, etag=False, conditional=False)
        else:
            response = Response(self._encoded(path, encoding, state))
            response.headers["Content-Encoding"] = encoding
            response.last_modified = datetime.fromtimestamp(stat.st_mtime, timezone.utc)
        response.mimetype = "application/json" if name.endswith(".map") else _JAVASCRIPT
        response.headers["Cache-Control"] = "public, max-age=0"
        response.headers["Vary"] = "Accept-Encoding"
        # Weak when compressed, because a strong tag is for one sequence of bytes (RFC 9110
        # §8.8.1). Weak and strong ones compare as equal: it is the same script.
        tag = _version(self._directory) or "{:x}-{:x}".format(*state)
        response.set_etag(tag, weak=encoding is not None)
        return response.make_conditional(environ)

    def _encoded(self, path: Path, encoding: str, state: tuple[int, int]) -> bytes:
        kept, body = self._kept.get((path.name, encoding), (None, b""))
        if kept != state:
            body = encode(path.read_bytes(), encoding)
            self._kept[path.name, encoding] = (state, body)
        return body


def _search(starts: Iterable[str]) -> Path | None:
    for start in starts:
        here = Path(start).resolve()
        for folder in (here, *here.parents):
            directory = folder / "node_modules" / "socket.io-client" / "dist"
            if directory.is_dir():
                return directory
    return None


def _version(directory: Path) -> str | None:
    """Return the version of the client, the ETag of its files."""
    package = directory.parent / "package.json"
    try:
        return str(json.loads(package.read_text())["version"])
    except (OSError, ValueError, KeyError):
        return None

"""Where the workers of a host find each other: Unix sockets in a folder of their user.

Workers can receive each other's requests when they share a listening socket. Its cookie names
it, through fork, exec and a new master; its addresses do where there is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gevent.monkey import get_original

__all__ = ["ForeignFolder", "Meeting", "is_own", "listener_key", "private_folder"]

_SO_COOKIE = 57  # <asm-generic/socket.h>, Linux 4.12
_BACKLOG = 128
_Socket = get_original("socket", "socket")


class ForeignFolder(Exception):
    """The folder cannot be trusted."""


def private_folder(base: str | os.PathLike[str]) -> Path:
    """Return the folder of this user in a folder of everyone; it is made when there is none.

    Raises:
        ForeignFolder: There is something else of that name, or it is another user's.
        OSError: It cannot be made.
    """
    user = os.geteuid()
    folder = Path(base, f"flask_realtime-{user}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o077:
        raise ForeignFolder(f"{folder} is not a private folder of user {user}")
    return folder


def listener_key(sockets: Iterable[Any], path: str, by_address: bool = False) -> str:
    """Return a name for a set of listening sockets.

    Args:
        sockets: The sockets.
        path: That of the server: an application may have several.
        by_address: Whether each process has sockets of its own for one address.
    """
    names = [path, *sorted(_name(sock, by_address) for sock in sockets)]
    with contextlib.suppress(OSError):
        # Cookies are counted in each network namespace.
        names.append(os.readlink("/proc/self/ns/net"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _name(sock: Any, by_address: bool) -> str:
    if not by_address and hasattr(socket, "SO_PEERCRED"):
        with contextlib.suppress(OSError):
            cookie: bytes = sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)
            return cookie.hex()
    return repr(sock.getsockname())


def is_own(sock: Any) -> bool:
    """Whether the process at the other end is this user's."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True  # the folder lets no other user in
    _, user, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, option, 12))
    return bool(user == os.geteuid())


class Meeting:
    """The workers of one key: each has a socket ``<key>.<tag>``.

    Args:
        folder: See :func:`private_folder`.
        key: What they have in common.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key

    def listen(self, tag: str) -> Any:
        """Return a listening socket under the name of a worker.

        Raises:
            OSError: There is none, because its name is too long for instance.
        """
        sock = _Socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # It is renamed when it accepts, and cannot be found before. A name that would be too
        # long to connect to is too long already.
        early = self._folder / f".{self._key}.{tag}"
        try:
            with contextlib.suppress(FileNotFoundError):
                early.unlink()
            sock.bind(str(early))
            sock.listen(_BACKLOG)
            sock.setblocking(False)
            early.rename(self._path(tag))
        except BaseException:
            sock.close()
            raise
        return sock

    def tags(self) -> list[str]:
        """Return the tags of all workers, those that are gone without a word included."""
        begin = self._key + "."
        with contextlib.suppress(FileNotFoundError):
            names = sorted(os.listdir(self._folder))
            return [name[len(begin) :] for name in names if name.startswith(begin)]
        return []

    def has(self, tag: str) -> bool:
        """Whether a worker can be found."""
        return self._path(tag).exists()

    def connect(self, tag: str) -> Any:
        """Return a connection to a worker; ``None`` when it is gone, and forgotten now.

        Raises:
            OSError: It cannot be reached at the moment.
        """
        sock = _Socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(str(self._path(tag)))
            if is_own(sock):
                return sock
        except (FileNotFoundError, ConnectionRefusedError):
            self.forget(tag)
        except BaseException:
            sock.close()
            raise
        sock.close()
        return None

    def clean(self) -> None:
        """Remove what is left of workers of any key that were killed."""
        for path in self._folder.glob("[!.]*"):
            with _Socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.setblocking(False)
                try:
                    sock.connect(str(path))
                except ConnectionRefusedError:
                    # It listened before it had this name: its process is gone.
                    path.unlink(missing_ok=True)
                except OSError:
                    continue

    def forget(self, tag: str) -> None:
        """Remove what is left of a worker."""
        with contextlib.suppress(OSError):
            self._path(tag).unlink()

    def _path(self, tag: str) -> Path:
        return self._folder / f"{self._key}.{tag}"

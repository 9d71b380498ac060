"""Which files make a program, and which of them have changed: what the reloader looks at."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch

__all__ = ["WatchedFiles"]

#: Folders of packages that others write; what a program imports from there is watched as well.
_INSTALLED = ("site-packages", "dist-packages", "node_modules", "__pycache__")

State = tuple[int, int]


class WatchedFiles:
    """The files of a program: its modules, Python files beside them, and others that it names.

    Args:
        extra_files: Other files, and folders with Python files.
        exclude_patterns: Patterns of ``fnmatch`` for paths that are not watched.
    """

    def __init__(self, extra_files: Iterable[str], exclude_patterns: Iterable[str]) -> None:
        self._extra = [os.path.abspath(name) for name in extra_files]
        self._excluded = list(exclude_patterns)
        self._seen: dict[str, State | None] = {}

    def changed(self) -> str | None:
        """Return a file that has changed since the last call; none the first time.

        A Python file that is new or gone is no change: nothing has imported it, or it is about
        to be written again.
        """
        found = None
        for path in self._paths():
            state = _state(path)
            before = self._seen.setdefault(path, state)
            if state is not None and state != before:
                self._seen[path] = state
                found = found or path
        return found

    def _paths(self) -> Iterator[str]:
        for path in {*self._extra, *_of_modules(), *_beside_modules(), *self._below_extra()}:
            if not any(fnmatch(path, pattern) for pattern in self._excluded):
                yield path

    def _below_extra(self) -> Iterator[str]:
        for path in self._extra:
            yield from _python_files(path)


def _state(path: str) -> State | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _of_modules() -> Iterator[str]:
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if isinstance(name, str):
            yield os.path.abspath(name)


def _beside_modules() -> Iterator[str]:
    # A module that is imported in the middle of a function is not known yet.
    library = os.path.dirname(os.__file__) + os.sep
    for name in sys.path:
        path = os.path.abspath(name)
        is_installed = any(part in _INSTALLED for part in path.split(os.sep))
        if not is_installed and not (path + os.sep).startswith(library):
            yield from _python_files(path)


def _python_files(folder: str, is_beside_python: bool = True) -> Iterator[str]:
    """Return the Python files of a folder and of those below it."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    files = [entry.path for entry in entries if entry.name.endswith(".py")]
    yield from files
    # Data, for instance: what lies two levels below the last Python file is not searched.
    if not files and not is_beside_python:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and not _is_foreign(entry):
            yield from _python_files(entry.path, bool(files))


def _is_foreign(folder: os.DirEntry[str]) -> bool:
    is_hidden = folder.name.startswith(".")
    is_environment = os.path.exists(os.path.join(folder.path, "pyvenv.cfg"))
    return is_hidden or folder.name in _INSTALLED or is_environment

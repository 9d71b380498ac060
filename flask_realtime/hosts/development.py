"""Development mode: what ``debug`` and the keywords beside it ask for, and Werkzeug's debugger.

The debugger goes around the application's own requests. Those of Socket.IO do not pass through
it: it would hold back what they write, and its page is of no use to their clients.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.shutdown import GRACE
from ..hints import unknown_option
from .watched_files import WatchedFiles

__all__ = ["OF_DEVELOPMENT", "Development", "debugged"]

logger = logging.getLogger(__name__)

#: Keywords of ``run()``.
OF_DEVELOPMENT = ("debug", "use_reloader", "reloader_options", "extra_files")
#: Keywords of Werkzeug's reloader.
_OF_RELOADER = ("exclude_patterns", "interval", "reloader_type")
#: Seconds between two looks at the files.
_INTERVAL = 1.0
#: Seconds that connections and handlers have at the end: a change is to be seen at once.
_SHORT_GRACE = 0.5


@dataclass(frozen=True)
class Development:
    """Checked keywords of development.

    Attributes:
        debug: Whether exceptions of views are shown in the browser.
        files: What a change of restarts the program; ``None`` without a reloader.
        interval: Seconds between two looks at them.
    """

    debug: bool = False
    files: WatchedFiles | None = None
    interval: float = _INTERVAL

    @classmethod
    def build(cls, given: Mapping[str, Any]) -> Development:
        """Check what was given.

        Raises:
            TypeError: A value is of another type, or an option of the reloader is unknown.
            ValueError: An option of the reloader is out of range.
            RuntimeError: It is meant for several workers.
        """
        debug = bool(given.get("debug"))
        reloads = given.get("use_reloader")
        options = _options(given.get("reloader_options"))
        files = WatchedFiles(
            _list(given.get("extra_files"), "extra_files"),
            _list(options.get("exclude_patterns"), "exclude_patterns"),
        )
        interval = _interval(options.get("interval", _INTERVAL))
        made = cls(debug, files if (debug if reloads is None else reloads) else None, interval)
        if made.is_on and (given.get("workers") or 1) != 1:
            raise RuntimeError(
                "run(): the debugger and the reloader work with one process: leave out workers "
                "while developing"
            )
        return made

    @property
    def is_on(self) -> bool:
        """Whether a program is being written."""
        return self.debug or self.files is not None

    @property
    def grace(self) -> float:
        """The seconds that connections and handlers have at the end."""
        return _SHORT_GRACE if self.is_on else GRACE


def debugged(
    application: Callable[..., Any], development: Development, host: str
) -> Callable[..., Any]:
    """Return an application whose exceptions Werkzeug's debugger shows, if they are to be.

    Args:
        application: Answers the requests that are not those of Socket.IO.
        development: Whether they are.
        host: The host that is listened on: its pages may use the console, as those of
            ``localhost`` may.
    """
    if not development.debug:
        return application
    from werkzeug.debug import DebuggedApplication

    debugger = DebuggedApplication(application, evalex=True)
    # Werkzeug 3.0.3 is the first that asks for the host.
    trusted: list[str] = getattr(debugger, "trusted_hosts", [])
    trusted.append(host)
    return debugger


def _options(given: Any) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"reloader_options must be a mapping, not {given!r}")
    for name in given:
        if name not in _OF_RELOADER:
            raise TypeError("reloader_options: " + unknown_option(str(name), _OF_RELOADER))
    kind = given.get("reloader_type", "auto")
    if kind not in ("auto", "stat", "watchdog"):
        raise ValueError(f'reloader_type must be "auto" or "stat", not {kind!r}')
    if kind == "watchdog":
        logger.warning(
            "! reloader_type watchdog is not used: its threads do not run beside gevent; the "
            "files are looked at in an interval"
        )
    return given


def _list(given: Any, name: str) -> list[str]:
    if isinstance(given, (str, bytes)):
        raise TypeError(f"{name} must be a list, not {given!r}")
    return [os.fspath(item) for item in given or ()]


def _interval(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not given > 0:
        raise ValueError(f"interval must be seconds above 0, not {given!r}")
    return float(given)

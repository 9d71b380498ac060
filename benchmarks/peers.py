"""The Python peers live in an environment of their own, so that ours stays as it is."""

from __future__ import annotations

import subprocess
import sys

from processes import BUILD, BenchmarkError, last_line

PACKAGES = ("Flask-SocketIO", "python-socketio", "gevent", "gevent-websocket")
#: Also whether it is the same Python: another build of it would not be compared.
_CHECK = "import sys, flask_socketio, socketio, gevent, geventwebsocket; assert sys.version == {!r}"
_SECONDS = 300


def peer_python() -> str:
    """Return the interpreter that has the peers; they are installed if they are missing."""
    folder = BUILD / "peers"
    python = str(folder / "bin" / "python")
    check = _CHECK.format(sys.version)
    try:
        _run(python, "-c", check)
    except BenchmarkError:
        print(f"installing {', '.join(PACKAGES)} into {folder}", file=sys.stderr, flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES)
        _run(python, "-c", check)
    return python


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(str(error)) from None
    if done.returncode != 0:
        raise BenchmarkError(last_line(done.stderr) or f"`{' '.join(command)}` failed")

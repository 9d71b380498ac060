"""The Python peers live in an environment of their own, so that ours stays as it is."""

from __future__ import annotations

import sys

from processes import BUILD, BenchmarkError, must_run

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
        must_run((python, "-c", check), _SECONDS)
    except BenchmarkError:
        print(f"installing {', '.join(PACKAGES)} into {folder}", file=sys.stderr, flush=True)
        pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
        must_run((sys.executable, "-m", "venv", "--clear", str(folder)), _SECONDS)
        must_run((*pip, *PACKAGES), _SECONDS)
        must_run((python, "-c", check), _SECONDS)
    return python

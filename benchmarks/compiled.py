"""The package of this checkout with what ``compiling.py`` compiles, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from processes import BUILD, HERE, must_run

_SECONDS = 600
_VARIABLE = "FLASK_REALTIME_COMPILE"


def compiled_package() -> Path:
    """Build the package, which takes most of a minute; return the folder to import it from."""
    folder = BUILD / "compiled"
    shutil.rmtree(folder, ignore_errors=True)
    print(f"compiling the package into {folder}", file=sys.stderr, flush=True)
    pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    command = (*pip, "--no-deps", "--target", str(folder), str(HERE.parent))
    must_run(command, _SECONDS, {**os.environ, _VARIABLE: "1"})
    return folder

"""The package of this checkout with what ``compiling.py`` compiles, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from processes import BUILD, HERE, BenchmarkError, last_line

_SECONDS = 600
_VARIABLE = "FLASK_REALTIME_COMPILE"


def compiled_package() -> Path:
    """Build the package, which takes most of a minute; return the folder to import it from."""
    folder = BUILD / "compiled"
    shutil.rmtree(folder, ignore_errors=True)
    print(f"compiling the package into {folder}", file=sys.stderr, flush=True)
    pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    command = (*pip, "--no-deps", "--target", str(folder), str(HERE.parent))
    env = {**os.environ, _VARIABLE: "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=env
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(str(error)) from None
    if done.returncode != 0:
        raise BenchmarkError(last_line(done.stderr) or "the package could not be compiled")
    return folder

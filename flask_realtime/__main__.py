"""``python -m flask_realtime``."""

from __future__ import annotations

import sys

from .cli import program

if __name__ == "__main__":
    # As for any program: modules of the current directory can be imported.
    sys.path.insert(0, "")
    program(prog_name="python -m flask_realtime")

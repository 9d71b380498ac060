"""A process whose standard library is not patched logs a warning."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging
from flask_realtime.loop.patching import warn_if_unpatched
logging.basicConfig(format="%(levelname)s %(message)s")
warn_if_unpatched()
"""
PATCH = "from gevent import monkey; monkey.patch_all()"


def stderr_of(program: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return run.stderr


def test_an_unpatched_process_logs_the_remedy_in_one_line() -> None:
    (line,) = stderr_of(PROGRAM).splitlines()
    assert line.startswith("WARNING ! this process is not patched")
    assert line.endswith(PATCH)


@pytest.mark.parametrize("patch", [PATCH, "from gevent import monkey; monkey.patch_socket()"])
def test_a_patched_process_logs_nothing(patch: str) -> None:
    assert stderr_of(patch + PROGRAM) == ""

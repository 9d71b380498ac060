"""What the tests take for a failure of a process."""

from __future__ import annotations

import pytest

from .processes import Process, python

LATE = """
import sys
print("Exception ignored in: <function remove at 0x1>", file=sys.stderr)
print("Traceback (most recent call last):", file=sys.stderr)
print('  File "weakref.py", line 369, in remove', file=sys.stderr)
print("OSError: Signal 17 ignored due to race condition", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("program", "failed"),
    [
        pytest.param("print('done')", False, id="that prints no traceback has not failed"),
        pytest.param("raise SystemError('lost')", True, id="that raises has failed"),
        pytest.param(LATE, False, id="that got a signal at its end has not failed"),
        pytest.param(LATE + "1 / 0", True, id="that got a signal and raised has failed"),
    ],
)
def test_a_process(program: str, failed: bool) -> None:
    with Process(python("-c", program)) as process:
        process.wait()
        assert process.has_traceback is failed, process.report()

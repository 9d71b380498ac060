"""Methods that are called at the end of a process; a real Redis is in tests/cluster."""

from __future__ import annotations

import pytest

from tests.processes import Process, python

PROGRAM = """
{first}
from flask_realtime.loop.exit_hooks import at_exit

class Thing:
    def __init__(self, name):
        self.name = name
        self.undo = at_exit(self.end)

    def end(self):
        print(self.name, "ends", flush=True)

kept, gone, undone = Thing("kept"), Thing("gone"), Thing("undone")
del gone
undone.undo()
undone.undo()
print("done", flush=True)
"""


@pytest.mark.parametrize("first", ["", "import multiprocessing.util"])
def test_a_method_is_called_at_the_end_unless_its_object_is_gone(first: str) -> None:
    with Process(python("-c", PROGRAM.format(first=first))) as process:
        assert process.wait() == 0, process.report()
        assert process.lines()[0] == "done"
        assert set(process.lines()[1:]) == {"kept ends"}
        assert process.stderr == ""

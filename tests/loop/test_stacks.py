"""Which line of a stack is the application's."""

from __future__ import annotations

import gc
import inspect
import json
import subprocess
import sys
import threading
from types import FrameType

import pytest

from flask_realtime.loop.stacks import callers_of, place_of, top_frame

#: A collection becomes due at each allocation of the call, one after the other; each would free a
#: `threading.local`.
GARBAGE = """
import gc, threading
from flask_realtime.loop.stacks import top_frame

class Cycle:
    def __init__(self):
        self.itself, self.local = self, threading.local()
        self.local.value = 1

for due in range(150, 200):
    gc.collect()
    gc.set_threshold(200)
    Cycle()
    kept = []
    while gc.get_count()[0] < due:
        kept.append([])
    assert (lambda: top_frame(threading.get_ident()))() is not None
print("done")
"""


def here() -> FrameType:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back


def test_the_innermost_line_of_the_application_is_named() -> None:
    def helper() -> str:
        return place_of(here())

    line = inspect.getsourcelines(helper)[1] + 1
    assert helper() == f"{__file__}:{line} in helper"


def test_lines_of_libraries_below_it_are_passed_over() -> None:
    seen: list[str] = []

    class Strange(dict[str, int]):
        pass

    def default(value: object) -> str:
        frame = here()
        # From the encoder outwards: the line that called `json`.
        encoder = next(f for f in callers_of(frame) if "json" in f.f_code.co_filename)
        seen.append(place_of(encoder))
        return ""

    json.dumps(object(), default=default)
    assert seen[0].endswith("in test_lines_of_libraries_below_it_are_passed_over")


def test_nothing_outside_the_call_is_named() -> None:
    seen: list[str] = []

    def default(value: object) -> str:
        frames = list(callers_of(here()))
        first = next(i for i, f in enumerate(frames) if "json" in f.f_code.co_filename)
        last = next(i for i, f in enumerate(frames[first:], first) if f.f_code.co_name == "outer")
        seen.append(place_of(frames[first], frames[last]))
        return ""

    def outer() -> None:
        json.dumps(object(), default=default)

    outer()
    # Only libraries run below the caller: the function that it called is named.
    assert seen[0].endswith("in dumps")


def test_a_stack_of_libraries_alone_has_its_innermost_line_named() -> None:
    seen: list[str] = []

    def default(value: object) -> str:
        encoder = next(f for f in callers_of(here()) if "json" in f.f_code.co_filename)
        seen.append(place_of(encoder, None))
        return ""

    json.dumps(object(), default=default)
    assert f"{__file__}:" in seen[0]


def test_the_callers_of_a_frame_end_with_the_outermost() -> None:
    frames = list(callers_of(here()))
    assert frames[0].f_code.co_name == "test_the_callers_of_a_frame_end_with_the_outermost"
    assert frames[-1].f_back is None
    assert list(callers_of(None)) == []


def test_the_innermost_frame_of_a_thread_is_found() -> None:
    frame = top_frame(threading.get_ident())
    assert frame is not None
    assert [found.f_code.co_name for found in callers_of(frame)][:2] == [
        "top_frame",
        "test_the_innermost_frame_of_a_thread_is_found",
    ]
    assert top_frame(0) is None


def test_looking_at_a_thread_never_collects_garbage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GARBAGE], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("collects", [True, False])
def test_looking_at_a_thread_leaves_the_collector_as_it_was(collects: bool) -> None:
    before = gc.isenabled()
    try:
        gc.enable() if collects else gc.disable()
        top_frame(threading.get_ident())
        assert gc.isenabled() is collects
    finally:
        gc.enable() if before else gc.disable()

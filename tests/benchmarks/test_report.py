"""Tables of a comparison: the one with the targets, and the one for users."""

from __future__ import annotations

from dataclasses import replace

from report import COMPILED, NODE, OURS, Result, as_json, markdown, side_by_side
from rows import App, Row

ROW = Row("echo", "echo, 64 B", "µs CPU", "cpu_us", 0.9, ("echo", "--conns", "100"))
SHOWN = Row(
    "old", "echo, gunicorn", "µs CPU", "cpu_us", None, ("echo", "--conns", "1"), App.GUNICORN
)
GOOD = {NODE: [100.0, 110.0, 120.0], OURS: [80.0, 90.0, 99.0], "Flask-SocketIO": [300.0] * 3}


def test_a_ratio_is_judged_by_its_target() -> None:
    good, bad = Result(ROW, GOOD), Result(ROW, {NODE: [10.0], OURS: [10.0]})
    assert (good.passed, bad.passed) == (True, False)
    *_, first, second = markdown([good, bad]).splitlines()
    assert first == "| echo, 64 B | µs CPU | 110 | 90.0 | 0.82 | 0.80–0.82 | ≤ 0.9 | ok |"
    assert second.endswith("| 1.00 | 1.00–1.00 | ≤ 0.9 | **over** |")


def test_the_compiled_build_is_judged_by_the_same_targets() -> None:
    both = Result(ROW, {NODE: [10.0], OURS: [10.0], COMPILED: [8.0]})
    compiled = replace(both, ours=COMPILED)
    assert (both.passed, compiled.passed) == (False, True)
    head, *_, line = markdown([compiled]).splitlines()
    assert head.split(" | ")[3] == COMPILED
    assert line == "| echo, 64 B | µs CPU | 10.0 | 8.0 | 0.80 | 0.80–0.80 | ≤ 0.9 | ok |"


def test_a_row_without_a_target_passes_when_it_was_measured() -> None:
    measured = Result(SHOWN, {NODE: [10.0], OURS: [90.0]})
    assert measured.passed
    assert markdown([measured]).endswith("| 9.00 | 9.00–9.00 | – |  |")
    assert not Result(SHOWN, {}, "it failed").passed


def test_a_row_that_failed_says_so_in_both_tables() -> None:
    failed = Result(ROW, {}, "it failed")
    assert markdown([failed]).endswith("| – | – | – | – | ≤ 0.9 | failed |")
    assert side_by_side([failed], [OURS, NODE]).endswith("| echo, 64 B, µs CPU | – | – |")
    assert as_json([failed], {})["rows"][0]["error"] == "it failed"


def test_servers_stand_side_by_side_without_targets() -> None:
    found = side_by_side([Result(ROW, GOOD)], [OURS, "Flask-SocketIO", "python-socketio", NODE])
    assert found.splitlines() == [
        f"|  | {OURS} | Flask-SocketIO | python-socketio | {NODE} |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| echo, 64 B, µs CPU | 90.0 | 300 | – | 110 |",
    ]

"""The rows of the comparison."""

from __future__ import annotations

import re

from rows import ROWS
from tests.processes import ROOT


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_the_targets_are_those_of_the_readme() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    table = text.partition("## Rows")[2].partition("\n## ")[0]
    written: dict[str, str] = {}
    for names, cells in re.findall(r"^\| (`.+?) \| (.*) \|$", table, re.MULTILINE):
        targets = cells.rpartition("| ")[2].split(", ")
        written |= dict(zip(re.findall(r"`([\w-]+)`", names), targets, strict=True))
    assert written == {row.name: f"{row.target:g}" if row.target else "–" for row in ROWS}


def test_a_row_can_be_made_smaller_but_not_larger() -> None:
    for row in ROWS:
        assert row.smaller(10).connections == 10
        assert row.smaller(1_000_000) == row

"""The benchmarks run: a short look at each, with real servers on both sides."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rows import ROWS
from tests.processes import ROOT, Process, python

BENCHMARKS = ROOT / "benchmarks"

Rows = dict[str, dict[str, Any]]


def compare(program: str, file: Path, *options: str) -> tuple[Rows, str]:
    """The rows that a comparison has measured, and what it printed; it says that all went well."""
    command = python(str(BENCHMARKS / program), "--smoke", *options, "--json", str(file))
    with Process(command) as run:
        assert run.wait(within=180) == 0, run.report()
    rows = {row["name"]: row for row in json.loads(file.read_text())["rows"]}
    assert {row["error"] for row in rows.values()} == {None}
    return rows, run.stdout


def test_each_row_of_the_benchmark_runs(tmp_path: Path) -> None:
    rows, _ = compare("compare.py", tmp_path / "found.json")
    optional = {"worker-poll", "worker-connect"}
    assert rows.keys() | optional == {row.name for row in ROWS}
    assert {len(row["contestants"]) for row in rows.values()} <= {2, 3}


def test_a_server_is_compared_with_nodes_after_a_warm_up(tmp_path: Path) -> None:
    short = ["--rows", "ack", "--rounds", "1", "--seconds", "0.2"]
    command = python(str(BENCHMARKS / "compare.py"), "--quick", *short)
    with Process(command) as run:
        assert run.wait(within=60) == 0, run.report()
    assert "\n| acknowledgement, 64 B | µs CPU |" in run.stdout


@pytest.fixture(scope="module")
def across(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, str]:
    """Servers that Redis joins, in comparison with Node's."""
    file = tmp_path_factory.mktemp("across") / "found.json"
    return compare("cluster.py", file, "--loads", "emit,deliver-1")


@pytest.mark.parametrize("adapter", ["classic", "sharded", "streams"])
def test_what_crosses_servers_is_compared_with_nodes(
    adapter: str, across: tuple[Rows, str]
) -> None:
    rows, _ = across
    for name in ("deliver-1", "latency", "latency-p99"):
        assert len(rows[f"{name} {adapter}"]["contestants"]) == 2
    for found in rows[f"latency {adapter}"]["contestants"].values():
        assert found["median"] > 0


def test_emitting_is_compared_with_nodes_and_with_a_server_alone(
    across: tuple[Rows, str],
) -> None:
    rows, printed = across
    assert len(rows["emit none"]["contestants"]) == len(rows["emit sharded"]["contestants"]) == 2
    # Once in the table of both, once in that of what it costs more.
    assert printed.count("\n| emit, one at a time, sharded |") == 2


def test_workers_of_one_host_are_compared(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    options = ["--smoke", "--only", "throughput", "--json", str(file)]
    with Process(python(str(BENCHMARKS / "workers.py"), *options)) as run:
        assert run.wait(within=120) == 0, run.report()
    rows = json.loads(file.read_text())["rows"]
    ours = [[load, workers] for load, name, workers, _ in rows if name == "ours"]
    assert ours == [["echo", 1], ["echo", 2], ["poll", 1], ["poll", 2]]
    assert all(rate > 0 for *_, rates in rows for rate in rates)


def test_what_workers_cost_is_measured() -> None:
    with Process(python(str(BENCHMARKS / "workers.py"), "--smoke", "--only", "costs")) as run:
        assert run.wait(within=240) == 0, run.report()
    rows = [line.split(" | ") for line in run.lines()[3:]]
    assert len(rows) == 4, run.stdout
    assert all(re.search(r"\d", measured) for _, measured, _ in rows)


def test_a_comparison_that_cannot_be_made_says_so() -> None:
    with Process(python(str(BENCHMARKS / "cluster.py"), "--loads", "unheard-of")) as run:
        assert run.wait() == 2
        assert "no 'unheard-of'" in run.stderr

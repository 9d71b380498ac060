"""Which rows and servers are compared, without a measurement."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from compare import BUN, Contestant, bun, choose_rows
from processes import BenchmarkError
from report import OURS
from rows import ROWS, App
from tests.processes import python

NAMES = [row.name for row in ROWS]
#: A server that has all it needs, and one that has not.
READY = python("-c", "print('{}')")
BROKEN = python("-c", "import sys; sys.exit('no such class')")


def chosen(names: list[str], smoke: bool = False) -> list[str]:
    commands = {App.BARE: READY, App.FLASK: READY, App.GUNICORN: READY, App.WORKER_CLASS: BROKEN}
    options = argparse.Namespace(rows=names, smoke=smoke)
    rows = choose_rows(options, Contestant(OURS, commands), os.environ)
    assert not smoke or max(row.connections for row in rows) == 20
    return [row.name for row in rows]


@pytest.mark.parametrize("smoke", [False, True])
def test_a_row_whose_server_cannot_run_is_left_out(
    smoke: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ["worker-poll", "worker-connect"]
    assert chosen(NAMES, smoke) == [name for name in NAMES if name not in missing]
    assert capsys.readouterr().err == "worker-poll, worker-connect: left out: no such class\n"


def test_a_row_that_was_asked_for_is_not_left_out() -> None:
    assert chosen(["echo", "gunicorn-poll"]) == ["echo", "gunicorn-poll"]
    with pytest.raises(BenchmarkError, match="no such class"):
        chosen(["echo", "worker-poll"])


@pytest.mark.parametrize(("status", "names"), [(0, [BUN]), (1, [])])
def test_bun_is_compared_where_it_and_its_engine_are_installed(
    status: int, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bun(os.environ) == []
    program = tmp_path / "bun"
    program.write_text(f"#!/bin/sh\necho '{{}}'\nexit {status}\n", encoding="utf-8")
    program.chmod(0o755)
    assert [contestant.name for contestant in bun(os.environ)] == names

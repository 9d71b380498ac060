"""The tests that the guide shows pass, under pytest and under unittest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import ROOT, blocks


@pytest.mark.parametrize("runner", [["pytest", "-q", "-W", "error"], ["unittest", "-v"]], ids=str)
def test_the_tests_of_the_guide_pass(tmp_path: Path, runner: list[str]) -> None:
    source = "\n".join(blocks(ROOT / "docs" / "testing.md"))
    (tmp_path / "test_guide.py").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", *runner, "test_guide.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if runner[0] == "pytest":
        assert "def test_" not in done.stdout
        assert "failed" not in done.stdout

"""The tests that the guide and the example chat show pass, as their readers run them."""

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
    done = run(runner, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_of_the_chat_pass() -> None:
    done = run(
        ["pytest", "-q", "-W", "error", "-p", "no:cacheprovider"], ROOT / "examples" / "chat"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command, next(folder.glob("test_*.py")).name],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

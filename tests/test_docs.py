"""Every Python example of the README and of docs/ runs."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.redis_server import RedisServer

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Where the Redis of the examples is.
REDIS = "redis://127.0.0.1:6379"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def test_there_are_examples_to_run() -> None:
    assert sum(len(blocks(page)) for page in PAGES) > 10


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda p: p.name)
def test_the_examples_of_a_page_run_one_after_the_other(page: Path, tmp_path: Path) -> None:
    source = "\n".join(blocks(page))
    with ExitStack() as stack:
        if REDIS in source:
            server = RedisServer()
            stack.callback(server.close)
            source = source.replace(REDIS, server.url)
        run = run_as_module(source, tmp_path)
    assert run.returncode == 0, run.stderr


def run_as_module(source: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    # Not as __main__: the line that starts a server is not for a test.
    program = tmp_path / "example.py"
    program.write_text(source, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", "import example"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

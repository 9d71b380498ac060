"""The example chat in a real browser: what two people see in their windows.

The stories are told in stories.mjs; one run of Chromium plays them all.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import ROOT, Late, Process, eventually, free_port, node, node_package, python

HERE = Path(__file__).resolve().parent
CHAT = ROOT / "examples" / "chat" / "app.py"
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/usr/bin/chromium",
    "/usr/bin/google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
STORIES = re.findall(
    r"^export async function (\w+)", (HERE / "stories.mjs").read_text("utf-8"), re.MULTILINE
)


def sentence(name: str) -> str:
    """``aClosedWindow`` as ``a_closed_window``, for the name of a test."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def chromium() -> str:
    """The browser to drive; its absence is a failure."""
    candidates = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else BROWSERS
    for candidate in candidates:
        if found := shutil.which(candidate):
            return found
    pytest.fail(
        "these tests need Chromium or Chrome: install one, or set CHROMIUM to its path "
        f"(looked for {', '.join(candidates)})"
    )


@pytest.fixture(scope="module")
def storyteller() -> Process:
    """The finished run of all stories."""
    script = [node(), str(HERE / "chat.mjs")]
    for package in ("playwright-core", "socket.io-client"):
        node_package(package)
    settings = {"CHROMIUM": chromium(), "PYTHON": sys.executable}
    with running_chat() as url, Process([*script, url], settings) as run:
        run.wait(300)
    return run


@contextmanager
def running_chat() -> Iterator[str]:
    """The address of the example chat, in a process of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with Process(python(str(CHAT), "--port", str(port))) as server:
        try:
            eventually(lambda: answers(url), within=15, what="the page of the chat")
        except Late:
            pytest.fail(f"the chat does not answer at {url}\n{server.report()}")
        yield url
        server.terminate()
    assert not server.has_traceback, server.report()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


@pytest.mark.parametrize("story", STORIES, ids=sentence)
def test_in_the_browser(storyteller: Process, story: str) -> None:
    assert f"ok {story}" in storyteller.lines(), storyteller.report()

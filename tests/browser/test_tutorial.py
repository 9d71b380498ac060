"""The tutorial, followed step by step: its files, its commands, and what the pages show."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.browser.test_chat_page import answers, chromium
from tests.processes import ROOT, Process, eventually, free_port, node, node_package

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
STEPS = re.split(r"^## (?=\d)", TUTORIAL, flags=re.MULTILINE)[1:]
#: A file: its name in a line that ends with a colon, then its whole text.
FILE = re.compile(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^```sh\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


class Reader:
    """Does what the tutorial says up to a step, in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.command = ""
        # What `npm install socket.io-client` would do.
        client = folder / "node_modules" / "socket.io-client"
        shutil.copytree(node_package("socket.io-client") / "dist", client / "dist")

    def follow(self, step: str) -> None:
        for name, text in FILE.findall(step):
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text.replace("port=5000", f"port={self.port}"), encoding="utf-8")
        for command in COMMAND.findall(step):
            self.command = command

    def start(self) -> Process:
        program, *words = self.command.split()
        if program == "gunicorn":
            here = ["--chdir", str(self.folder), "--bind", f"127.0.0.1:{self.port}"]
            return Process([sys.executable, "-m", "gunicorn", *here, *words])
        assert (program, *words) == ("python", "app.py")
        return Process([sys.executable, str(self.folder / "app.py")])


def test_the_tutorial_has_steps() -> None:
    assert len(STEPS) == 4


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_after_each_step_the_pages_show_what_is_promised(number: int, tmp_path: Path) -> None:
    reader = Reader(tmp_path, free_port())
    for step in STEPS[:number]:
        reader.follow(step)
    url = f"http://127.0.0.1:{reader.port}"
    script = str(Path(__file__).with_name("tutorial.mjs"))
    node_package("playwright-core")
    with reader.start() as server:
        eventually(lambda: answers(url), within=30, what="the page")
        with Process([node(), script, url, str(number)], {"CHROMIUM": chromium()}) as visit:
            visit.wait(90)
        server.terminate()
    assert visit.lines() == ["ok"], visit.report() + server.report()
    assert not server.has_traceback, server.report()

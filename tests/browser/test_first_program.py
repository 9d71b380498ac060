"""The first program of the README: what its page shows."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.browser.test_chat_page import answers, chromium
from tests.processes import ROOT, Process, eventually, free_port, node, node_package
from tests.test_docs import blocks

SCRIPT = str(Path(__file__).with_name("first.mjs"))


def test_two_windows_read_what_one_writes(tmp_path: Path) -> None:
    port = free_port()
    program = tmp_path / "app.py"
    source = blocks(ROOT / "README.md")[0]
    program.write_text(source.replace("port=5000", f"port={port}"), encoding="utf-8")
    # In place of the public CDN.
    client = Path("node_modules") / "socket.io-client" / "dist"
    shutil.copytree(node_package("socket.io-client") / "dist", tmp_path / client)
    node_package("playwright-core")
    url = f"http://127.0.0.1:{port}"
    with Process([sys.executable, "-W", "error", str(program)]) as app:
        eventually(lambda: answers(url), within=30, what="the page")
        with Process([node(), SCRIPT, url], {"CHROMIUM": chromium()}) as visit:
            visit.wait(60)
        app.terminate()
    assert visit.lines() == ["ok"], visit.report() + app.report()
    assert not app.has_traceback, app.report()

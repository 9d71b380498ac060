"""The wheel and the sdist, as a user gets them: their metadata, a new environment, a program."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
import requests
import socketio

import flask_realtime
from docs.links import address
from tests.processes import ROOT, Process, eventually, free_port, node_package
from tests.test_docs import LINK, PICTURE, blocks

#: Percent of the public names with types that every checker reads alike.
TYPE_COMPLETENESS = 95


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env={**os.environ, **(env or {})}, text=True, timeout=300, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


class Built:
    """The two files of a release."""

    def __init__(self, folder: Path) -> None:
        run(sys.executable, "-m", "build", "--outdir", folder, ".", cwd=ROOT)
        [self.wheel], [self.sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")

    def metadata(self) -> Message:
        with zipfile.ZipFile(self.wheel) as archive:
            [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
            return message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("dist"))


def new_environment(folder: Path, package: Path) -> Path:
    """A virtual environment with nothing but the package and what it requires."""
    run(sys.executable, "-m", "venv", ".", cwd=folder)
    run("bin/python", "-m", "pip", "install", "-q", "--no-compile", package, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def from_wheel(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_environment(tmp_path_factory.mktemp("wheel"), built.wheel)


@pytest.fixture(scope="module")
def from_sdist(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_environment(tmp_path_factory.mktemp("sdist"), built.sdist)


def test_the_checks_of_the_index_pass(built: Built) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist, cwd=ROOT)


def test_the_metadata_has_the_version_and_the_licence(built: Built) -> None:
    found = built.metadata()
    assert found["Version"] == flask_realtime.__version__
    assert found["License-Expression"] == "MIT"


def test_the_long_description_has_no_dead_links(built: Built) -> None:
    found = built.metadata()
    prose = re.sub(r"^```.*?^```$", "", str(found.get_payload()), flags=re.M | re.S)
    assert "# flask_realtime" in prose
    targets = LINK.findall(prose) + PICTURE.findall(prose)
    assert [target for target in targets if not target.startswith("https://")] == []
    assert bool(found.get_all("Project-URL")) is bool(address())


@pytest.mark.parametrize("installed", ["from_wheel", "from_sdist"])
def test_the_first_program_of_the_readme_runs(
    installed: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    interpreter = str(request.getfixturevalue(installed) / "bin" / "python")
    port = free_port()
    program = tmp_path / "app.py"
    source = blocks(ROOT / "README.md")[0]
    program.write_text(source.replace("port=5000", f"port={port}"), encoding="utf-8")
    client = socketio.Client(reconnection=False)
    # Not the package of the working tree.
    outside = {"PYTHONPATH": ""}
    with Process([interpreter, "-W", "error", "-u", str(program)], outside) as app:
        eventually(lambda: "http://127.0.0.1" in app.report(), within=30, what="the banner")
        page = requests.get(f"http://127.0.0.1:{port}/", timeout=15)
        client.connect(f"http://127.0.0.1:{port}")
        answer = client.call("chat message", "hello", timeout=15)
        client.disconnect()
        app.terminate()
    assert answer == "delivered", app.report()
    assert page.headers["Content-Type"].startswith("text/html")
    assert '<script src="/socket.io/socket.io.js"></script>' in page.text


def test_checkers_know_the_types_of_the_public_names(from_wheel: Path) -> None:
    pyright = str(node_package("pyright") / "index.js")
    paths = os.pathsep.join([str(from_wheel / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        ["node", pyright, "--verifytypes", "flask_realtime", "--ignoreexternal", "--outputjson"],
        cwd=from_wheel, env={**os.environ, "PATH": paths},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)["typeCompleteness"]
    vague = [
        f"{symbol['name']}: {symbol['diagnostics'][0]['message'].splitlines()[0]}"
        for symbol in found["symbols"]
        if symbol["isExported"] and symbol["isTypeAmbiguous"] and symbol["diagnostics"]
    ]
    assert found["completenessScore"] * 100 >= TYPE_COMPLETENESS, "\n".join(vague)


def test_the_tests_run_from_the_sdist(built: Built, tmp_path: Path) -> None:
    run("tar", "-xzf", built.sdist, cwd=tmp_path)
    [folder] = tmp_path.iterdir()
    pictures = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/images/*.png")]
    assert pictures
    files = ("CHANGES.md", "SECURITY.md", "dev", "package.json", "examples/chat/app.py")
    for name in (*files, *pictures):
        assert (folder / name).exists(), name
    assert not (folder / "benchmarks" / ".build").exists()
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run(*pytest_here, "--collect-only", cwd=folder)
    # Tests of the package there, of its helpers, and of the pages that come along.
    some = ("tests/test_emitter.py", "tests/test_links.py", "tests/test_docs.py")
    run(*pytest_here, *some, "-k", "not examples", cwd=folder)

"""The compiled build: its wheel has the C, and the tests pass with it as without."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

import compiling
from tests.processes import ROOT
from tests.test_packages import run

#: What a copy of the repository can do without.
LEFT_OUT = (".git", ".venv", ".tox", ".build", "build", "dist", "node_modules", "*.egg-info")
#: The tests that need Python alone, in parts; what answers requests; the official clients.
PARTS = {
    "adapters": ("--quick", "tests/adapters"),
    "codec": ("--quick", "tests/codec"),
    "engine": ("--quick", "tests/engine"),
    "loop": ("--quick", "tests/loop"),
    "server": ("--quick", "tests/server"),
    "testing": ("--quick", "tests/testing", "tests/flask_socketio"),
    "requests": ("tests/hosts", "-k", "request_ or response or embedded or handler"),
    "hosts": ("tests/hosts/test_hosts.py", "tests/interop/test_socketio_protocol.py"),
    "clients": ("tests/interop", "-k", "official_client or engines or floods or advisories"),
}


class Compiled:
    """A copy of the repository whose package is that of a wheel.

    Attributes:
        folder: The copy.
        files: What is in the wheel.
        wheel: Its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "copy"
        shutil.copytree(ROOT, self.folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
        if (ROOT / "node_modules").exists():
            (self.folder / "node_modules").symlink_to(ROOT / "node_modules")
        wanted = {compiling.VARIABLE: "1"}
        build = (sys.executable, "-m", "build", "--wheel", "--outdir", folder)
        run(*build, cwd=self.folder, env=wanted)
        [wheel] = folder.glob("*.whl")
        self.wheel = wheel.name
        with zipfile.ZipFile(wheel) as archive:
            self.files = archive.namelist()
            archive.extractall(self.folder)

    def python(self, *arguments: str) -> str:
        return run(sys.executable, *arguments, cwd=self.folder)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return Compiled(tmp_path_factory.mktemp("compiled"))


def test_the_wheel_has_each_module_as_c_and_as_python(compiled: Compiled) -> None:
    assert not compiled.wheel.endswith("-none-any.whl")
    for module in compiling.MODULES:
        stem = module.removesuffix(".py")
        found = [name for name in compiled.files if name.startswith(f"{stem}.")]
        assert sorted(Path(name).suffix for name in found) == [".py", ".so"], found


def test_what_is_imported_is_the_c(compiled: Compiled) -> None:
    names = [name.removesuffix(".py").replace("/", ".") for name in compiling.MODULES]
    program = (
        "import importlib, sys; [print(importlib.import_module(n).__file__) for n in sys.argv[1:]]"
    )
    printed = compiled.python("-W", "error", "-c", program, *names).split()
    assert len(printed) == len(names)
    assert [path for path in printed if Path(path).suffix != ".so"] == []


@pytest.mark.parametrize("part", PARTS)
def test_the_tests_pass(compiled: Compiled, part: str) -> None:
    printed = compiled.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *PARTS[part])
    assert " passed" in printed

"""Which files are looked at, and what counts as a change."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from flask_realtime.hosts.watched_files import WatchedFiles


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def write(path: Path, text: str = "") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def touch(path: str) -> str:
    """Change the time of a file, whatever the clock says."""
    found = os.stat(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000))
    return path


def watched(*extra: object, excluded: tuple[str, ...] = ()) -> WatchedFiles:
    files = WatchedFiles([str(item) for item in extra], excluded)
    assert files.changed() is None
    return files


def test_a_file_of_the_program_has_changed_once(folder: Path) -> None:
    module = write(folder / "package" / "deep" / "module.py")
    write(folder / "package" / "__init__.py")
    files = watched()
    assert files.changed() is None
    touch(module)
    assert files.changed() == module
    assert files.changed() is None


def test_files_that_change_together_are_one_change(folder: Path) -> None:
    one, two = write(folder / "one.py"), write(folder / "two.py")
    files = watched()
    touch(one)
    touch(two)
    assert files.changed() in (one, two)
    assert files.changed() is None


def test_another_size_is_a_change_although_the_time_is_the_same(folder: Path) -> None:
    module = write(folder / "module.py", "one")
    files = watched()
    before = os.stat(module)
    write(folder / "module.py", "other")
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files.changed() == module


def test_a_new_file_and_a_missing_one_are_no_change(folder: Path) -> None:
    module = write(folder / "module.py")
    files = watched()
    write(folder / "new.py")
    os.rename(module, folder / "kept")
    assert files.changed() is None
    # As editors do it that write another file first.
    os.rename(folder / "kept", module)
    assert files.changed() is None
    os.rename(touch(write(folder / "written")), module)
    assert files.changed() == module


def test_a_module_is_watched_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("imported")
    module.__file__ = write(tmp_path / "site-packages" / "imported.py")
    monkeypatch.setitem(sys.modules, "imported", module)
    files = watched()
    touch(module.__file__)
    assert files.changed() == module.__file__


def test_extra_files_and_folders_are_watched(folder: Path) -> None:
    settings, missing = write(folder / "settings.toml"), str(folder / "missing.toml")
    other = write(folder / ".hidden" / "other.py")
    files = watched(settings, missing, folder / ".hidden")
    for path in (settings, other):
        assert files.changed() is None
        touch(path)
        assert files.changed() == path
    write(Path(missing))
    assert files.changed() == missing


@pytest.mark.parametrize(
    "path",
    [
        ".git/module.py",
        "node_modules/module.py",
        "__pycache__/module.py",
        "lib/site-packages/module.py",
        "environment/module.py",
        "data/a/b/module.py",
        "page.html",
    ],
)
def test_what_is_not_of_the_program_is_not_watched(folder: Path, path: str) -> None:
    write(folder / "app.py")
    write(folder / "environment" / "pyvenv.cfg")
    module = write(folder / path)
    files = watched()
    touch(module)
    assert files.changed() is None


def test_patterns_leave_files_out(folder: Path) -> None:
    kept, left_out = write(folder / "a.py"), write(folder / "made" / "b.py")
    files = watched(excluded=("*/made/*",))
    touch(left_out)
    assert files.changed() is None
    touch(kept)
    assert files.changed() == kept


def test_what_is_installed_is_not_searched(folder: Path) -> None:
    module = write(folder / "x" / "site-packages" / "module.py")
    sys.path.append(os.path.dirname(module))
    files = watched()
    touch(module)
    assert files.changed() is None

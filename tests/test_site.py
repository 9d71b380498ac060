"""The site of the documentation: it builds without a warning and fetches nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import flask_realtime
from tests.processes import ROOT

DOCS = ROOT / "docs"
#: What a browser loads by itself, in pages and in style sheets.
LOADED = re.compile(
    r"""<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)=["']((?:https?:)?//[^"']+)"""
    r"""|(?:url\(|@import\s)\s*["']?((?:https?:)?//[^"')]+)"""
)


def build(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["-q", "-W", "--keep-going", "-c", str(DOCS), "-d", str(folder / "doctrees")]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *command, "-b", "html", str(source), str(folder / "site")],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    done = build(DOCS, folder)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_every_page_is_there(site: Path) -> None:
    pages = {page.stem for page in DOCS.glob("*.md")} - {"README"}
    assert pages <= {page.stem for page in site.glob("*.html")}
    assert (site / "searchindex.js").exists()


@pytest.mark.parametrize("name", flask_realtime.__all__)
def test_the_reference_has_every_exported_name(site: Path, name: str) -> None:
    reference = (site / "reference.html").read_text(encoding="utf-8")
    assert f'id="flask_realtime.{name}"' in reference


def test_reading_it_fetches_nothing_from_elsewhere(site: Path) -> None:
    found = [
        (file.name, match[0])
        for kind in ("html", "css")
        for file in site.rglob(f"*.{kind}")
        for match in LOADED.finditer(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "fault", ["[a](missing.md)", "[a](#missing)", "```{eval-rst}\n:meth:`flask_realtime.Gone`\n```"]
)
def test_a_dead_link_is_an_error(fault: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "index.md").write_text(f"# Title\n\n{fault}\n", encoding="utf-8")
    done = build(tmp_path / "source", tmp_path)
    assert done.returncode == 1
    assert "not found" in done.stderr or "missing" in done.stderr, done.stderr

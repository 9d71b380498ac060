"""Every Python example of the README and of docs/ runs, and every link leads somewhere."""

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
RUN = re.compile(r"^    (io|server)\.run\(", re.MULTILINE)
#: Imports but those that patching needs.
IMPORT = re.compile(r"^(?!from (__future__|gevent) )(import|from) ", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
PICTURE = re.compile(r'\b(?:src|srcset)="([^"]+)"')
#: Pages that are read on their own, with all that they link to.
LINKING = [*PAGES, *(ROOT / name for name in ("CHANGES.md", "CONTRIBUTING.md", "SECURITY.md"))]
LINKING += [ROOT / "examples" / "README.md", ROOT / "benchmarks" / "README.md"]


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


def test_every_program_that_serves_patches_first() -> None:
    sources = {f"{page.name} {n}": block for page in PAGES for n, block in enumerate(blocks(page))}
    for file in (ROOT / "examples").rglob("*.py"):
        sources[file.name] = file.read_text(encoding="utf-8")
    serving = {name: source for name, source in sources.items() if RUN.search(source)}
    assert len(serving) >= 5
    assert [name for name, source in serving.items() if not patches_first(source)] == []


def patches_first(source: str) -> bool:
    first = source.find("monkey.patch_all()")
    imports = [found.start() for found in IMPORT.finditer(source)]
    return first != -1 and all(at > first for at in imports)


# --- links


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """The names under which headings can be linked to, as the hosts of repositories make them."""
    found: set[str] = set()
    for heading in HEADING.findall(text):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 1
        while (unique := name if number == 1 else f"{name}-{number - 1}") in found:
            number += 1
        found.add(unique)
    return found


def broken_links(page: Path) -> list[str]:
    found = []
    text = prose(page)
    for target in LINK.findall(text) + PICTURE.findall(text):
        if re.match(r"[a-z]+:", target):
            continue  # another site
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        if not other.exists():
            found.append(f"{target}: there is no such file")
        elif anchor and (other.suffix != ".md" or anchor not in anchors(prose(other))):
            found.append(f"{target}: there is no such heading")
    return found


@pytest.mark.parametrize("page", LINKING, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# The `client's` files, v2\n\n## Twice\n\n## Twice\n\n```\n# not a heading\n```\n"
        "[a](#the-clients-files-v2) [b](#twice-1) [c](page.md#twice) [d](https://example.com/x)\n"
        "[e](#not-a-heading) [f](missing.md) [g](page.md#twice-2)\n"
        '<img src="missing.png">\n',
        encoding="utf-8",
    )
    assert broken_links(page) == [
        "#not-a-heading: there is no such heading",
        "missing.md: there is no such file",
        "page.md#twice-2: there is no such heading",
        "missing.png: there is no such file",
    ]


def rows(table: str) -> list[list[str]]:
    """The cells of a table's rows, without its head and the rows that only group others."""
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if not row[0].startswith("**")]


def test_the_comparison_links_each_yes_of_its_own_to_the_documentation() -> None:
    compared = rows((ROOT / "docs" / "comparison.md").read_text(encoding="utf-8"))
    assert len(compared) > 60
    assert {len(row) for row in compared} == {5}
    unlinked = [
        row[0] for row in compared if not row[1].startswith("no") and not LINK.search(row[1])
    ]
    assert unlinked == []


def test_every_guide_is_in_the_table_of_contents() -> None:
    contents = ROOT / "docs" / "README.md"
    linked = {target.partition("#")[0] for target in LINK.findall(prose(contents))}
    # The other two have what is there already for the site.
    guides = {page.name for page in contents.parent.glob("*.md")} - {contents.name}
    assert guides - {"index.md", "changes.md"} <= linked

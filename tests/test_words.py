"""Words that make a contract vague stay out of code, documents and examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SEARCHED = (
    "flask_realtime",
    "docs",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGES.md",
    "examples",
    "dev",
)
WORDS = re.compile(r"\b(nobody|somebody|whoever|shall|kin)\b", re.IGNORECASE)
SKIPPED = {"__pycache__", "node_modules"}


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """The files that are searched, by path from the root, with their text."""
    for name in SEARCHED:
        place = root / name
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            path = file.relative_to(root)
            if file.is_file() and not SKIPPED & set(path.parts):
                try:
                    yield path.as_posix(), file.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    continue  # an image, for example


def findings(root: Path) -> list[str]:
    """One line per word, "path:line word"."""
    return [
        f"{path}:{number} {match[0]}"
        for path, text in texts(root)
        for number, line in enumerate(text.splitlines(), 1)
        for match in WORDS.finditer(line)
    ]


def test_no_file_has_such_a_word() -> None:
    found = findings(ROOT)
    assert not found, "\n" + "\n".join(found)


def test_every_place_is_searched() -> None:
    seen = {path.partition("/")[0] for path, _ in texts(ROOT)}
    assert seen == set(SEARCHED)


@pytest.mark.parametrize("word", ["nobody", "Somebody", "whoever", "SHALL", "kin"])
def test_a_word_is_found_wherever_it_is(word: str, tmp_path: Path) -> None:
    for name in ("flask_realtime/deep/module.py", "docs/page.md", "README.md", "dev"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# first\n# {word}, and so on\n", encoding="utf-8")
    for name in ("CONTRIBUTING.md", "CHANGES.md"):
        (tmp_path / name).write_text("Shallow; kind; akin; skin; marshall; nobody's", "utf-8")
    (tmp_path / "docs/picture.png").write_bytes(b"\x89PNG\xff nobody")
    assert findings(tmp_path) == [
        f"flask_realtime/deep/module.py:2 {word}",
        f"docs/page.md:2 {word}",
        f"README.md:2 {word}",
        "CONTRIBUTING.md:1 nobody",
        "CHANGES.md:1 nobody",
        f"dev:2 {word}",
    ]

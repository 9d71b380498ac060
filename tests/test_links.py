"""docs/links.py: what becomes of links where the repository is not at hand."""

from __future__ import annotations

import pytest

from docs.links import outward

REPOSITORY = "https://example.org/project"


def everything(target: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("text", "with_address", "without"),
    [
        ("[a guide](docs/a.md)", f"[a guide]({REPOSITORY}/blob/HEAD/docs/a.md)", "a guide"),
        ("[part](docs/a.md#b)", f"[part]({REPOSITORY}/blob/HEAD/docs/a.md#b)", "part"),
        ("[up](../CHANGES.md)", f"[up]({REPOSITORY}/blob/HEAD/CHANGES.md)", "up"),
        ("[below](#b)", f"[below]({REPOSITORY}/blob/HEAD/README.md#b)", "below"),
        ("[`a[0]`](a.py)", f"[`a[0]`]({REPOSITORY}/blob/HEAD/a.py)", "`a[0]`"),
        ("![the chat](a.png)", f"![the chat]({REPOSITORY}/raw/HEAD/a.png)", ""),
        ("[b](https://example.com/x)", "[b](https://example.com/x)", "[b](https://example.com/x)"),
        ("```md\n[code](a.md)\n```\n", "```md\n[code](a.md)\n```\n", "```md\n[code](a.md)\n```\n"),
    ],
)
def test_a_link_is_absolute_or_plain_text(text: str, with_address: str, without: str) -> None:
    assert outward(text, REPOSITORY, everything) == with_address
    assert outward(text, "", everything) == without


def test_a_picture_is_absolute_or_left_out() -> None:
    picture = '<picture>\n  <source srcset="{0}b.png">\n  <img src="{0}a.png">\n</picture>\n'
    text = f"above\n\n{picture}\nbelow\n"
    found = outward(text.format(""), REPOSITORY, everything)
    assert found == text.format(f"{REPOSITORY}/raw/HEAD/")
    assert outward(text.format(""), "", everything) == "above\n\nbelow\n"
    assert outward(text.format(""), "", lambda target: False) == text.format("")


def test_only_links_that_lead_out_are_replaced() -> None:
    text = "[in](a.md) [out](../b.md)\n```\n[x](../c.md)\n```\n[out](../d.md)"
    replaced = outward(text, "", lambda target: target.startswith("../"))
    assert replaced == "[in](a.md) out\n```\n[x](../c.md)\n```\nout"

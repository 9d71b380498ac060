"""The public face of the adapters has every name, and imports none before it is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flask_realtime
from flask_realtime import adapters
from tests.test_names import run

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")]


@pytest.mark.parametrize("name", adapters.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(adapters, name) is not None
    assert name in dir(adapters)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'MemoryAdaptor'"):
        adapters.MemoryAdaptor  # noqa: B018


def test_what_both_modules_export_is_the_same() -> None:
    both = {*adapters.__all__} & {*flask_realtime.__all__}
    assert "MemoryAdapter" in both
    for name in both:
        assert getattr(adapters, name) is getattr(flask_realtime, name)


def test_names_are_imported_when_they_are_used() -> None:
    source = (
        "import sys, flask_realtime.adapters; print([n for n in sys.modules if 'realtime.' in n])"
    )
    assert run(source) == "['flask_realtime.adapters']"


def test_the_bytes_of_messages_need_neither_gevent_nor_redis() -> None:
    source = """
import sys
from flask_realtime.adapters import ServerSideEmit, Target, decode, encode, envelope, load
sent = ServerSideEmit(["hello"])
payload = encode(envelope("me", "/", sent))
print(decode(load(payload), "/") == ("me", sent))
print([name for name in ("gevent", "greenlet", "redis") if name in sys.modules])
"""
    assert run(source).splitlines() == ["True", "[]"]


def test_documents_name_no_module_below_the_public_face() -> None:
    deeper = re.compile(r"flask_realtime\.adapters\.[a-z_]+")
    found = {file.name: deeper.findall(file.read_text(encoding="utf-8")) for file in DOCUMENTS}
    assert found
    assert {name: paths for name, paths in found.items() if paths} == {}

"""The grammar of Sec-WebSocket-Extensions (RFC 6455 §9.1)."""

from __future__ import annotations

import contextlib
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.websocket_extensions import Offer, parse_offers

TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters


@pytest.mark.parametrize(
    ("header", "offers"),
    [
        ("", []),
        ("foo", [Offer("foo")]),
        # The examples of RFC 6455 §9.1.
        ("deflate-stream", [Offer("deflate-stream")]),
        (
            "mux; max-channels=4; flow-control, deflate-stream",
            [
                Offer("mux", (("max-channels", "4"), ("flow-control", None))),
                Offer("deflate-stream"),
            ],
        ),
        ("private-extension", [Offer("private-extension")]),
        # Quoted, repeated, in any spacing.
        ('a;b="c"', [Offer("a", (("b", "c"),))]),
        ('a;b="c\\-d"', [Offer("a", (("b", "c-d"),))]),
        ("a;b=1;b=2;b", [Offer("a", (("b", "1"), ("b", "2"), ("b", None)))]),
        ("a, a, a;b", [Offer("a"), Offer("a"), Offer("a", (("b", None),))]),
        (" a ;\tb = 1 ,c ", [Offer("a", (("b", "1"),)), Offer("c")]),
        # RFC 9110 §5.6.1.2: empty elements are nothing.
        (",a,, b ,", [Offer("a"), Offer("b")]),
    ],
)  # fmt: skip
def test_offers_are_read(header: str, offers: list[Offer]) -> None:
    assert parse_offers(header) == offers


@pytest.mark.parametrize(
    "header",
    ["a b", ";", "a;", "a;;b", "a;b=", "a;=1", 'a;b="', 'a;b="c', 'a;b=""', 'a;b="c d"',
     'a;b="c,d"', 'a;b="c"d', "a;b=c d", "a=b", '"a"', "a;b=c=d", "a/b", "a;b=[1]", "a\r\nb",
     "a;b=\u00e4", "\x00", 'a;b="\\"'],
)  # fmt: skip
def test_what_breaks_the_grammar_is_an_error(header: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        parse_offers(header)


tokens = st.text(TOKEN_CHARACTERS, min_size=1)
offers = st.builds(Offer, tokens, st.lists(st.tuples(tokens, st.none() | tokens)).map(tuple))


def written(offer: Offer, quoted: bool) -> str:
    parts = [offer.name]
    for name, value in offer.parameters:
        text = "" if value is None else f'="{value}"' if quoted else f"={value}"
        parts.append(name + text)
    return "; ".join(parts)


@given(st.lists(offers), st.booleans())
def test_what_is_written_is_read(given: list[Offer], quoted: bool) -> None:
    assert parse_offers(", ".join(written(offer, quoted) for offer in given)) == given


@given(st.text(st.sampled_from('a1 \t;,="\\/') | st.characters(max_codepoint=255)))
def test_any_text_has_an_answer(header: str) -> None:
    with contextlib.suppress(ValueError):
        assert all(offer.name for offer in parse_offers(header))


@pytest.mark.parametrize(
    "header",
    [" " * 60_000 + "/", "a" + " " * 60_000 + "/", "a;" * 30_000, "a;b" + " " * 60_000 + "=",
     "," * 60_000 + "/", 'a;b="' + "\\a" * 30_000, "a," * 30_000 + "/", "a;b=" * 15_000],
    ids=lambda header: header[:8],
)  # fmt: skip
def test_a_long_header_takes_little_time(header: str) -> None:
    """CVE-2021-32640: one header kept a pattern busy."""
    began = time.process_time()
    with pytest.raises(ValueError, match="malformed"):
        parse_offers(header)
    assert time.process_time() - began < 0.5

"""The answers of a server to offers of permessage-deflate (RFC 7692 §5 and §7.1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.deflate_agreement import Agreement, agree
from flask_realtime.codec.websocket_extensions import parse_offers
from flask_realtime.options import DeflateSettings

FORGETS = "; server_no_context_takeover; client_no_context_takeover"
TAKEOVER = {"server_no_context_takeover": False, "client_no_context_takeover": False}
CHROMIUM = "permessage-deflate; client_max_window_bits"


def answer(header: str, **settings: Any) -> str | None:
    found = agree(header, DeflateSettings(**settings))
    return None if found is None else found.answer


@pytest.mark.parametrize("header", ["permessage-deflate", CHROMIUM])
def test_by_default_nothing_is_kept_between_messages(header: str) -> None:
    assert agree(header, DeflateSettings()) == Agreement(
        15, 15, False, False, "permessage-deflate" + FORGETS
    )


def test_context_takeover_is_agreed_on_when_neither_side_objects() -> None:
    assert agree(CHROMIUM, DeflateSettings(**TAKEOVER)) == Agreement(
        15, 15, True, True, "permessage-deflate"
    )


@pytest.mark.parametrize("side", ["server", "client"])
def test_a_client_can_ask_for_no_context_takeover(side: str) -> None:
    """RFC 7692 §7.1.1."""
    found = agree(f"permessage-deflate; {side}_no_context_takeover", DeflateSettings(**TAKEOVER))
    assert found is not None
    assert found.answer == f"permessage-deflate; {side}_no_context_takeover"
    assert (found.server_takeover, found.client_takeover) == (side != "server", side != "client")


@pytest.mark.parametrize(
    ("header", "settings", "expected"),
    [
        # The server's window (§7.1.2.1): the smaller one counts, and the client may be told.
        ("permessage-deflate; server_max_window_bits=10", {}, "; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=15", {}, "; server_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=8", {}, "; server_max_window_bits=8"),
        ("permessage-deflate; server_max_window_bits=12", {"server_max_window_bits": 9},
         "; server_max_window_bits=9"),
        ("permessage-deflate; server_max_window_bits=9", {"server_max_window_bits": 12},
         "; server_max_window_bits=9"),
        ("permessage-deflate", {"server_max_window_bits": 12}, "; server_max_window_bits=12"),
        # The client's window (§7.1.2.2): only a client that knows the parameter can be limited.
        (CHROMIUM, {}, ""),
        (CHROMIUM, {"client_max_window_bits": 9}, "; client_max_window_bits=9"),
        ("permessage-deflate; client_max_window_bits=10", {}, "; client_max_window_bits=10"),
        ("permessage-deflate; client_max_window_bits=10", {"client_max_window_bits": 12},
         "; client_max_window_bits=10"),
        ("permessage-deflate; client_max_window_bits=15", {}, ""),
        ('permessage-deflate; client_max_window_bits="10"', {}, "; client_max_window_bits=10"),
        # The first that can be accepted, whatever else is offered.
        ("mux; permessage-deflate, permessage-deflate", {}, ""),
        ("permessage-deflate; mode=fast, permessage-deflate; server_max_window_bits=9", {},
         "; server_max_window_bits=9"),
        ("permessage-deflate; server_max_window_bits=9, permessage-deflate", {},
         "; server_max_window_bits=9"),
        ("x-webkit-deflate-frame, permessage-deflate", {}, ""),
    ],
)  # fmt: skip
def test_windows_are_agreed_on(header: str, settings: dict[str, Any], expected: str) -> None:
    assert answer(header, **TAKEOVER, **settings) == "permessage-deflate" + expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "mux; max-channels=4",
        "permessage-bzip2",
        "Permessage-Deflate",
        # §7.1: a parameter that is unknown, given twice, or has no or a wrong value.
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=9.0",
        "permessage-deflate; client_max_window_bits=0",
        "permessage-deflate; client_max_window_bits=a",
    ],
)
def test_other_offers_are_declined(header: str) -> None:
    assert answer(header) is None


def test_a_client_that_cannot_be_limited_is_declined_when_there_is_a_limit() -> None:
    assert answer("permessage-deflate", client_max_window_bits=12) is None
    both = f"permessage-deflate, {CHROMIUM}"
    assert answer(both, client_max_window_bits=12, **TAKEOVER) == (
        "permessage-deflate; client_max_window_bits=12"
    )


@pytest.mark.parametrize("header", ["permessage-deflate;", "permessage-deflate; a=;", "a b"])
def test_a_header_that_cannot_be_read_is_an_error(header: str) -> None:
    """RFC 6455 §9.1: it fails the connection."""
    with pytest.raises(ValueError, match="malformed"):
        answer(header)


names = st.sampled_from(
    ["server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits",
     "client_max_window_bits", "other"]
)  # fmt: skip
values = st.sampled_from(["", "=7", "=8", "=9", "=12", "=15", "=16"])
elements = st.lists(st.tuples(names, values).map("".join), max_size=4)
headers = st.lists(
    elements.map(lambda parameters: "; ".join(["permessage-deflate", *parameters])), max_size=3
).map(", ".join)
settings = st.builds(
    DeflateSettings,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.integers(8, 15),
    client_max_window_bits=st.integers(8, 15),
)


@given(headers, settings)
def test_every_answer_is_one_that_a_client_can_accept(
    header: str, settings: DeflateSettings
) -> None:
    found = agree(header, settings)
    if found is None:
        return
    (offer,) = parse_offers(found.answer)
    answered = dict(offer.parameters)
    assert offer.name == "permessage-deflate"
    assert len(answered) == len(offer.parameters)
    assert ("server_no_context_takeover" in answered) is not found.server_takeover
    assert ("client_no_context_takeover" in answered) is not found.client_takeover
    assert int(answered.get("server_max_window_bits") or 15) == found.server_bits
    assert int(answered.get("client_max_window_bits") or 15) == found.client_bits
    assert found.server_bits <= settings.server_max_window_bits
    assert found.client_bits <= settings.client_max_window_bits
    # It answers one of the offers: what that one demands is granted.
    assert any(
        ("server_no_context_takeover" not in asked or not found.server_takeover)
        and found.server_bits <= int(asked.get("server_max_window_bits") or 15)
        and ("client_max_window_bits" in asked or "client_max_window_bits" not in answered)
        for asked in (dict(offer.parameters) for offer in parse_offers(header))
    )

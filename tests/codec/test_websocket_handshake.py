"""The opening handshake of RFC 6455 §4.2, on WSGI environments."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.websocket_handshake import (
    accept_key,
    first_subprotocol,
    handshake_problem,
    is_upgrade,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "REQUEST_METHOD": "GET",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": KEY,
}


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in GOOD.items() if key != name}


def test_the_key_is_accepted_as_in_the_example() -> None:
    """RFC 6455 §1.3."""
    assert accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_request_of_the_example_is_a_good_upgrade() -> None:
    assert is_upgrade(GOOD)
    assert handshake_problem(GOOD) is None


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"HTTP_UPGRADE": "WebSocket"}, id="capitals"),
        pytest.param({"HTTP_CONNECTION": "upgrade"}, id="small letters"),
        pytest.param({"HTTP_CONNECTION": "keep-alive, Upgrade"}, id="the list of Firefox"),
        pytest.param({"HTTP_CONNECTION": "Upgrade,keep-alive"}, id="a list without a space"),
    ],
)
def test_an_upgrade_is_recognised_in_all_its_spellings(headers: dict[str, str]) -> None:
    assert is_upgrade(GOOD | headers)


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="no headers"),
        pytest.param(without("HTTP_UPGRADE"), id="no Upgrade"),
        pytest.param(without("HTTP_CONNECTION"), id="no Connection"),
        pytest.param(GOOD | {"HTTP_UPGRADE": "h2c"}, id="another protocol"),
        pytest.param(GOOD | {"HTTP_UPGRADE": "websockets"}, id="a longer word"),
        pytest.param(GOOD | {"HTTP_UPGRADE": ""}, id="an empty Upgrade"),
        pytest.param(GOOD | {"HTTP_CONNECTION": "keep-alive"}, id="another Connection"),
        pytest.param(GOOD | {"HTTP_CONNECTION": "x-upgrades"}, id="a longer token"),
        pytest.param(GOOD | {"HTTP_UPGRADE": "websocket\x00"}, id="NUL"),
    ],
)
def test_anything_else_is_not_an_upgrade(environ: dict[str, str]) -> None:
    """RFC 6455 §4.2.1: Connection includes the token "upgrade"."""
    assert not is_upgrade(environ)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        pytest.param(GOOD | {"REQUEST_METHOD": "POST"}, "GET", id="POST"),
        pytest.param(without("REQUEST_METHOD"), "GET", id="no method"),
        pytest.param(GOOD | {"SERVER_PROTOCOL": "HTTP/1.0"}, "HTTP/1.1", id="HTTP/1.0"),
        pytest.param(without("HTTP_SEC_WEBSOCKET_VERSION"), "Version", id="no version"),
        pytest.param(GOOD | {"HTTP_SEC_WEBSOCKET_VERSION": "8"}, "Version", id="version 8"),
        pytest.param(GOOD | {"HTTP_SEC_WEBSOCKET_VERSION": "013"}, "Version", id="version 013"),
        pytest.param(GOOD | {"HTTP_SEC_WEBSOCKET_VERSION": "13,13"}, "Version", id="two versions"),
        pytest.param(without("HTTP_SEC_WEBSOCKET_KEY"), "Key", id="no key"),
    ],
)
def test_a_wrong_handshake_is_named(environ: dict[str, str], words: str) -> None:
    problem = handshake_problem(environ)
    assert problem is not None
    assert words in problem


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param("dGhlIHNhbXBsZSBub25j", id="15 bytes"),
        pytest.param("dGhlIHNhbXBsZSBub25jZTEx", id="18 bytes"),
        pytest.param("dGhlIHNhbXBsZSBub25jZQ", id="no padding"),
        pytest.param(KEY + KEY, id="twice"),
        pytest.param(f"{KEY}, {KEY}", id="two headers"),
        pytest.param("dGhlIHNhbXBsZSBub25jZ\x00==", id="NUL"),
        pytest.param("dGhlIHNhbXBsZSBub25jZ\xff==", id="latin-1"),
        pytest.param("A" * 1_000_000, id="1 MB"),
    ],
)
def test_a_wrong_key_is_refused(key: str) -> None:
    problem = handshake_problem(GOOD | {"HTTP_SEC_WEBSOCKET_KEY": key})
    assert problem is not None
    assert "Key" in problem


@pytest.mark.parametrize(
    ("offer", "first"),
    [
        (None, None),
        ("chat", "chat"),
        ("b,a", "b"),
        ("b , a", "b"),
        ("b,\t a", "b"),
        ("graphql-ws.v2, !#$%&'*+^_`|~", "graphql-ws.v2"),
    ],
)
def test_the_first_subprotocol_of_the_offer_is_chosen(offer: str | None, first: str | None) -> None:
    environ = GOOD if offer is None else GOOD | {"HTTP_SEC_WEBSOCKET_PROTOCOL": offer}
    assert handshake_problem(environ) is None
    assert first_subprotocol(environ) == first


@pytest.mark.parametrize(
    "offer",
    ["", ",", "a,", ",a", "a,,b", "a,a", "a b", "a/b", "a;q=1", '"a"', "\xe9", "a\x00", "a, b, a"],
)
def test_an_offer_of_subprotocols_that_breaks_the_grammar_is_refused(offer: str) -> None:
    """RFC 6455 §4.1: tokens, each of them once."""
    problem = handshake_problem(GOOD | {"HTTP_SEC_WEBSOCKET_PROTOCOL": offer})
    assert problem is not None
    assert "Sec-WebSocket-Protocol" in problem


def test_2000_headers_change_nothing() -> None:
    """CVE-2024-37890: so many headers pushed out Upgrade, which ended the process."""
    many = {f"HTTP_X_{number}": "x" for number in range(2000)}
    assert is_upgrade(GOOD | many)
    assert handshake_problem(GOOD | many) is None
    assert not is_upgrade(many)


def test_a_long_subprotocol_takes_no_time() -> None:
    """CVE-2021-32640: 32k spaces in Sec-WebSocket-Protocol kept a pattern busy."""
    start = time.process_time()
    value = "b" + " " * 32_000 + "x"
    for name in ("PROTOCOL", "EXTENSIONS", "KEY", "VERSION"):
        handshake_problem(GOOD | {f"HTTP_SEC_WEBSOCKET_{name}": value})
    is_upgrade(GOOD | {"HTTP_CONNECTION": value, "HTTP_UPGRADE": value})
    assert time.process_time() - start < 1


wsgi_values = st.text(st.characters(max_codepoint=255), max_size=30)


@given(
    st.dictionaries(st.sampled_from([*GOOD, "HTTP_SEC_WEBSOCKET_PROTOCOL"]), wsgi_values),
    st.booleans(),
)
def test_any_header_value_is_read_without_an_exception(
    given_headers: dict[str, Any], complete: bool
) -> None:
    """A subprotocol beyond ASCII ended the workers of a peer; WSGI values are latin-1."""
    environ = GOOD | given_headers if complete else given_headers
    assert isinstance(is_upgrade(environ), bool)
    assert isinstance(handshake_problem(environ), (str, type(None)))
    if handshake_problem(environ) is None:
        assert len(accept_key(environ["HTTP_SEC_WEBSOCKET_KEY"])) == 28

"""Headers and payload rules of Socket.IO 5 packets."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.socket_packet import (
    RESERVED_EVENTS,
    Header,
    PacketType,
    check_packet,
    decode_header,
)
from flask_realtime.errors import PacketError

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = PacketType


def test_the_types_have_the_digits_of_the_specification() -> None:
    text = "CONNECT DISCONNECT EVENT ACK CONNECT_ERROR BINARY_EVENT BINARY_ACK"
    assert " ".join(PacketType(digit).name for digit in range(7)) == text


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("0", (CONNECT, 0, "/", None, "")),
        ('0{"token":"123"}', (CONNECT, 0, "/", None, '{"token":"123"}')),
        ("0/admin,", (CONNECT, 0, "/admin", None, "")),
        ("0/admin", (CONNECT, 0, "/admin", None, "")),
        ("0/admin?a=b,{}", (CONNECT, 0, "/admin?a=b", None, "{}")),
        ("0/", (CONNECT, 0, "/", None, "")),
        ("1/admin,", (DISCONNECT, 0, "/admin", None, "")),
        ('2["hey"]', (EVENT, 0, "/", None, '["hey"]')),
        ('212["hey"]', (EVENT, 0, "/", 12, '["hey"]')),
        ('20["hey"]', (EVENT, 0, "/", 0, '["hey"]')),
        ('2/admin,["hey"]', (EVENT, 0, "/admin", None, '["hey"]')),
        ('2/admin,456["project:delete",123]', (EVENT, 0, "/admin", 456, '["project:delete",123]')),
        ('2/1,2["a,b"]', (EVENT, 0, "/1", 2, '["a,b"]')),
        ("3/admin,456[]", (ACK, 0, "/admin", 456, "[]")),
        ('4/admin,{"message":"no"}', (CONNECT_ERROR, 0, "/admin", None, '{"message":"no"}')),
        ('51-["hi",{}]', (BINARY_EVENT, 1, "/", None, '["hi",{}]')),
        ('510-/admin,7["hi"]', (BINARY_EVENT, 10, "/admin", 7, '["hi"]')),
        ("61-/admin,456[{}]", (BINARY_ACK, 1, "/admin", 456, "[{}]")),
        ("60-1[]", (BINARY_ACK, 0, "/", 1, "[]")),
        ('29007199254740992["a"]', (EVENT, 0, "/", 2**53, '["a"]')),
    ],
)
def test_a_header_is_read_up_to_its_json(text: str, header: tuple[Any, ...]) -> None:
    """Most are the examples of the Socket.IO protocol, "Packet encoding"."""
    *fields, rest = header
    read = decode_header(text, max_attachments=10)
    assert (*read[:4], text[read.rest :]) == (*fields, rest)


@pytest.mark.parametrize("text", ["", "7", "9", "a", "-1", " 2", "\u0662", '["hey"]', "\x00"])
def test_an_unknown_type_is_refused(text: str) -> None:
    with pytest.raises(PacketError, match="type"):
        decode_header(text, 10)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('5["hi"]', id="no count"),
        pytest.param('51["hi"]', id="no dash"),
        pytest.param('5-["hi"]', id="only a dash"),
        pytest.param('5-1-["hi"]', id="-1"),
        pytest.param('51.5-["hi"]', id="1.5"),
        pytest.param('51e1-["hi"]', id="1e1"),
        pytest.param('5 1-["hi"]', id="a space"),
        pytest.param('5\u0661-["hi"]', id="a digit of another script"),
        pytest.param('5/admin,1-["hi"]', id="after the namespace"),
        pytest.param("51", id="the end"),
        pytest.param('511-["hi"]', id="11"),
        pytest.param('59999999999-["hi"]', id="9999999999"),
        pytest.param('510000000000-["hi"]', id="1e10"),
        pytest.param("5" + "9" * 1000 + '-["hi"]', id="1000 digits"),
        pytest.param("6" + "0" * 1000 + "1-[]", id="1000 zeros"),
    ],
)
def test_an_invalid_or_too_large_count_is_refused(text: str) -> None:
    """CVE-2026-33151, CVE-2026-48804: no more than 10 attachments are ever waited for."""
    with pytest.raises(PacketError, match="attachment"):
        decode_header(text, max_attachments=10)


def test_the_caller_sets_the_limit_of_attachments() -> None:
    assert decode_header("53-[]", 3).attachments == 3
    with pytest.raises(PacketError):
        decode_header("54-[]", 3)
    with pytest.raises(PacketError):
        decode_header("51-[]", 0)


@pytest.mark.parametrize("digits", [17, 101, 1_000_000])
def test_an_endless_acknowledgement_id_is_refused(digits: int) -> None:
    """Ids of more than 100 digits, blog.caller.xyz/socketio-engineio-dos."""
    start = time.process_time()
    with pytest.raises(PacketError, match="id"):
        decode_header("2" + "9" * digits + '["hi"]', 10)
    assert time.process_time() - start < 1


@given(st.text(max_size=40), st.integers(0, 20))
def test_any_text_is_read_or_is_a_packet_error(text: str, limit: int) -> None:
    try:
        header = decode_header(text, limit)
    except PacketError:
        return
    assert isinstance(header, Header)
    assert header.attachments <= limit
    assert 0 < header.rest <= len(text)


# --- payloads ----------------------------------------------------------------

VALID: list[tuple[PacketType, Any]] = [
    (CONNECT, None),
    (CONNECT, {}),
    (CONNECT, {"token": "123"}),
    (DISCONNECT, None),
    (EVENT, ["hey"]),
    (EVENT, ["hey", None, 1, {}]),
    (EVENT, [""]),
    (EVENT, [1]),
    (EVENT, [1.5]),
    (EVENT, ["error"]),
    (EVENT, ["connection"]),
    (EVENT, ["message"]),
    (EVENT, ["ping"]),
    (EVENT, ["close"]),
    (EVENT, ["__init__"]),
    (ACK, []),
    (ACK, [None, {}]),
    (CONNECT_ERROR, "no"),
    (CONNECT_ERROR, {"message": "no"}),
    (BINARY_EVENT, ["hey", {}]),
    (BINARY_ACK, [{}]),
]


@pytest.mark.parametrize(("packet_type", "data"), VALID)
def test_payloads_that_the_specification_allows_pass(packet_type: PacketType, data: Any) -> None:
    check_packet(packet_type, data)


FORBIDDEN: dict[PacketType, list[Any]] = {
    CONNECT: [[], "token", 1, True, 1.5],
    DISCONNECT: [{}, [], "", 0, False],
    ACK: [None, {}, "a", 1],
    BINARY_ACK: [None, {}, "a", 1],
    CONNECT_ERROR: [None, [], 1, True],
}
INVALID = [(packet_type, data) for packet_type in FORBIDDEN for data in FORBIDDEN[packet_type]]


@pytest.mark.parametrize(("packet_type", "data"), INVALID)
def test_payloads_that_the_specification_forbids_are_refused(
    packet_type: PacketType, data: Any
) -> None:
    with pytest.raises(PacketError, match=packet_type.name):
        check_packet(packet_type, data)


@pytest.mark.parametrize("packet_type", [EVENT, BINARY_EVENT])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="missing"),
        pytest.param({}, id="no list"),
        pytest.param("hey", id="a string"),
        pytest.param([], id="an empty list"),
        pytest.param([{"toString": "foo"}], id="an object"),
        pytest.param([["a"]], id="a list"),
        pytest.param([None], id="null"),
        pytest.param([True], id="true"),
        pytest.param([False, "hey"], id="false"),
    ],
)
def test_an_event_without_a_name_is_refused(packet_type: PacketType, data: Any) -> None:
    """CVE-2023-32695: a name that is an object was turned into text by its own method."""
    with pytest.raises(PacketError, match="EVENT"):
        check_packet(packet_type, data)


@pytest.mark.parametrize("packet_type", [EVENT, BINARY_EVENT])
@pytest.mark.parametrize(
    "name",
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"],
)
def test_events_with_a_reserved_name_are_refused(packet_type: PacketType, name: str) -> None:
    """socket.io-parser 4.2.4: clients must not reach the handlers of the life cycle."""
    assert name in RESERVED_EVENTS
    with pytest.raises(PacketError, match="EVENT"):
        check_packet(packet_type, [name, "data"])


def test_no_other_event_name_is_reserved() -> None:
    assert len(RESERVED_EVENTS) == 6

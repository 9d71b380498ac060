"""Entries of streams and their ids: what @socket.io/redis-streams-adapter 0.3.1 writes."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.adapters.values import Flags, RemoteState, Target
from flask_realtime.adapters.wire.messages import (
    Broadcast,
    ClientAnswer,
    ClientCount,
    DisconnectSockets,
    FetchSockets,
    JoinRooms,
    LeaveRooms,
    Request,
    Response,
    ServerAnswer,
    ServerSideEmit,
    SocketsFound,
)
from flask_realtime.adapters.wire.streams import (
    StreamOptions,
    decode_entry,
    entry_command,
    entry_fields,
    hash_of,
    id_after,
    is_ephemeral,
    is_offset,
    order_of,
    stream_of,
)
from flask_realtime.adapters.wire.values import load, unpack
from flask_realtime.testing.pytest.adapter_contract import event, to
from tests.ids import case

UID = "0123456789abcdef"
OPTS = '"opts":{"rooms":["r1"],"except":[],"flags":{}}'
NODE: list[tuple[Request, str, str]] = [
    (
        Broadcast(event("hello"), Target()),
        "3",
        '{"packet":{"type":2,"data":["hello"]},"opts":{"rooms":[],"except":[],"flags":{}}}',
    ),
    (
        Broadcast(
            event("news", b"\x01\x02\x03"),
            to("r1", but=("x",), flags=Flags(volatile=True, compress=False)),
        ),
        "3",
        "gqZwYWNrZXSCpHR5cGUCpGRhdGGSpG5ld3PEAwECA6RvcHRzg6Vyb29tc5GicjGmZXhjZXB0kaF4"
        "pWZsYWdzgqh2b2xhdGlsZcOoY29tcHJlc3PC",
    ),
    (JoinRooms(to("r1"), ["r2"]), "4", "{" + OPTS + ',"rooms":["r2"]}'),
    (LeaveRooms(to("r1"), ["r3", "r4"]), "5", "{" + OPTS + ',"rooms":["r3","r4"]}'),
    (DisconnectSockets(to("r1"), True), "6", "{" + OPTS + ',"close":true}'),
]


def entry(kind: str, data: str, namespace: str = "/") -> dict[bytes, bytes]:
    fields = {"uid": UID, "nsp": namespace, "type": kind, "data": data}
    return {name.encode(): value.encode() for name, value in fields.items()}


def fields_of(request: Request, **options: Any) -> dict[str, Any]:
    values = entry_fields(UID, "/", request, **options)
    return {str(name): value for name, value in zip(values[::2], values[1::2], strict=True)}


@pytest.mark.parametrize(("request_", "kind", "data"), NODE)
def test_the_entries_of_node_are_read(request_: Request, kind: str, data: str) -> None:
    assert decode_entry(entry(kind, data), "/") == (UID, request_)


@pytest.mark.parametrize(("request_", "kind", "data"), NODE)
def test_entries_have_the_fields_and_the_form_of_node(
    request_: Request, kind: str, data: str
) -> None:
    fields = fields_of(request_)
    assert list(fields) == ["uid", "nsp", "type", "data"]
    assert (fields["uid"], fields["nsp"], fields["type"]) == (UID, "/", kind)
    assert fields["data"].startswith(b"{") == data.startswith("{")
    if not isinstance(request_, Broadcast):
        assert fields["data"] == data.encode()
    encoded = {name.encode(): _bytes(value) for name, value in fields.items()}
    assert decode_entry(encoded, "/") == (UID, request_)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def test_where_only_text_is_allowed_bytes_are_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        fields_of(Broadcast(event("a", b"x"), Target()), only_plaintext=True)
    fields = fields_of(Broadcast(event("a", "x"), Target()), only_plaintext=True)
    assert load(fields["data"])["packet"]["data"] == ["a", "x"]


@pytest.mark.parametrize("value", [object(), float("nan"), [b"x", {b"k": 1}]], ids=case)
def test_what_cannot_be_carried_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        fields_of(Broadcast(event("a", value), Target()))


def test_the_command_bounds_the_stream() -> None:
    assert entry_command("s", 100, ["a", "b"]) == (
        "XADD", "s", "MAXLEN", "~", 100, "*", "a", "b"
    )  # fmt: skip


def test_entries_of_other_namespaces_and_signs_of_life_are_of_no_concern() -> None:
    assert decode_entry(entry("3", "{}", "/chat"), "/") is None
    assert decode_entry({b"uid": b"x", b"nsp": b"/", b"type": b"2"}, "/") is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"uid": b"x", b"nsp": b"/"},
        entry("", "{}"),
        entry("x", "{}"),
        entry("9" * 5000, "{}"),
        entry("99", "{}"),
        entry("3", ""),
        entry("3", "{"),
        entry("3", "[]"),
        entry("3", "no base64!"),
        entry("3", "wQ=="),
        entry("3", "e30="),
        entry("3", "AQ=="),
        {**entry("3", "{}"), b"data": b"\xff\xfe"},
        {**entry("3", "{}"), b"type": b"\xff"},
    ],
    ids=str,
)
def test_malformed_entries_are_value_errors(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode_entry(fields, "/")


@given(
    st.dictionaries(st.sampled_from([b"uid", b"type", b"data", b"x"]), st.binary(max_size=40)),
    st.sampled_from(["3", "4", "5", "6", "7", "8", "9"]),
)
def test_any_entry_is_one_or_a_value_error(fields: dict[bytes, bytes], kind: str) -> None:
    for given_fields in (fields, {b"nsp": b"/", **fields, b"type": kind.encode()}):
        try:
            decode_entry(given_fields, "/")
        except ValueError:
            pass


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Broadcast(event("a"), Target()), False),
        (Broadcast(event("a"), Target(), "1"), True),
        (JoinRooms(Target(), []), False),
        (LeaveRooms(Target(), []), False),
        (DisconnectSockets(Target(), False), False),
        (FetchSockets(Target(), "1"), True),
        (ServerSideEmit(["a"]), True),
        (ServerSideEmit(["a"], "1"), True),
        (SocketsFound("1", [RemoteState("a", {}, [], {})]), True),
        (ServerAnswer("1", 1), True),
        (ClientCount("1", 1), True),
        (ClientAnswer("1", 1), True),
    ],
)
def test_what_is_waited_for_now_is_not_kept(message: Request | Response, expected: bool) -> None:
    assert is_ephemeral(message) is expected


# --- streams


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        ("/", 47), ("/my-namespace", -1403629527), ("/notifications", -1014064871),
        ("/workspace-1", -2056487574), ("/日本", 880214), ("/😀", 1818066),
    ],
)  # fmt: skip
def test_namespaces_are_distributed_as_by_node(namespace: str, expected: int) -> None:
    assert hash_of(namespace) == expected


def test_half_a_character_has_a_hash_too() -> None:
    assert hash_of("/\ud83d") == 31 * 47 + 0xD83D


def test_one_stream_is_for_all_namespaces() -> None:
    options = StreamOptions()
    assert stream_of(options, "/my-namespace") == "socket.io"


@pytest.mark.parametrize(("count", "index"), [(2, 1), (4, 3), (5, 2)])
def test_of_several_streams_each_namespace_has_one(count: int, index: int) -> None:
    options = StreamOptions("s", count)
    assert stream_of(options, "/") == f"s-{index}"


@given(st.text(st.characters(), max_size=10), st.integers(1, 9))
def test_every_namespace_has_a_stream_that_is_read(namespace: str, count: int) -> None:
    options = StreamOptions("s", count)
    streams = ["s"] if count == 1 else [f"s-{number}" for number in range(count)]
    assert stream_of(options, namespace) in streams


# --- ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000000-0", True),
        ("0-0", True),
        ("18446744073709551615-18446744073709551615", True),
        ("18446744073709551616-0", False),
        ("0-18446744073709551616", False),
        ("99999999999999999999-0", False),
        *[(text, False) for text in ("", "-", "1", "1-", "-1", "a-1", "1-1-1", "1-1 ", "+", "$")],
        ("1-1\n", False),
        ("१-१", False),
    ],
)
def test_ids_that_redis_takes_are_offsets(text: str, expected: bool) -> None:
    assert is_offset(text) is expected


def test_ids_are_ordered_by_number() -> None:
    ids = ["9-10", "10-0", "9-9", "9-100"]
    assert sorted(ids, key=order_of) == ["9-9", "9-10", "9-100", "10-0"]
    assert order_of(b"9-10") == (9, 10)
    with pytest.raises(ValueError):  # noqa: PT011
        order_of("x")


@pytest.mark.parametrize(
    ("offset", "after"),
    [("5-0", "5-1"), ("5-9", "5-10"), ("5-18446744073709551615", "6-0")],
)
def test_the_next_id(offset: str, after: str) -> None:
    assert id_after(offset) == after
    assert order_of(after) > order_of(offset)


def test_binary_entries_are_base64_of_messagepack() -> None:
    fields = fields_of(Broadcast(event("a", b"x"), Target()))
    assert unpack(base64.b64decode(fields["data"]))["packet"]["data"] == ["a", b"x"]

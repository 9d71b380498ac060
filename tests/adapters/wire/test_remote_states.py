"""What servers tell each other of their sockets."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from flask_realtime.adapters.values import RemoteState
from flask_realtime.adapters.wire.remote_states import carried_data, remote_state_from, state_maps
from flask_realtime.adapters.wire.values import dump_json, pack
from tests.codec import values


def state(sid: str = "a", handshake: Any = None, data: Any = None) -> RemoteState:
    return RemoteState(sid, handshake or {"url": "/"}, [sid], {} if data is None else data)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_socket_is_read_with_what_it_tells() -> None:
    told = {"id": "a", "handshake": {"url": "/"}, "rooms": ["a", 1], "data": {"n": 1}, "x": 1}
    assert remote_state_from(told) == RemoteState("a", {"url": "/"}, ["a", "1"], {"n": 1})
    assert remote_state_from({"id": "a"}) == RemoteState("a", {}, [], {})
    strange = {"id": "a", "handshake": None, "rooms": None, "data": "text"}
    assert remote_state_from(strange) == RemoteState("a", {}, [], {})


@pytest.mark.parametrize("value", [None, "a", {}, {"id": 1}, {"id": "a", "rooms": "a"}], ids=str)
def test_a_socket_without_an_id_is_none(value: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        remote_state_from(value)


@pytest.mark.parametrize("binary", [True, False])
def test_only_what_cannot_be_carried_stays_behind(
    binary: bool, caplog: pytest.LogCaptureFixture
) -> None:
    data = {
        "name": "a",
        "user": {"id": 7, "row": object(), "tags": ["x", timedelta(1)]},
        "ratio": math.nan,
        "key": b"x",
    }
    kept: dict[str, Any] = {"name": "a", "user": {"id": 7, "tags": ["x", None]}}
    if binary:
        kept["key"] = b"x"
    assert state_maps([state(data=data)], binary) == [
        {"id": "a", "handshake": {"url": "/"}, "rooms": ["a"], "data": kept}
    ]
    assert len(data) == 4
    assert warnings(caplog) == [
        '! data["user"]["row"] of socket a is not sent to other servers: a packet cannot carry'
        f" a value of type 'object'; {2 if binary else 3} more such values"
    ]


def test_a_single_value_that_stays_behind_is_told_of_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state_maps([state(data={"row": object()})], True)
    (line,) = warnings(caplog)
    assert line.endswith("a packet cannot carry a value of type 'object'")


def test_what_can_be_carried_leaves_no_line(caplog: pytest.LogCaptureFixture) -> None:
    (found,) = state_maps([state(data={"at": values.Colour.RED, "big": 2**70})], binary=True)
    assert found["data"] == {"at": values.Colour.RED, "big": 2**70}
    assert warnings(caplog) == []


@pytest.mark.parametrize("auth", [{"n": math.inf}, {"n": 10**400}], ids=["infinity", "integer"])
def test_what_a_client_has_sent_keeps_no_socket_from_being_found(
    auth: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """`1e400` in the credentials of one client."""
    first, second = state_maps([state("a", {"auth": auth}), state("b")], binary=True)
    assert first["handshake"] == {"auth": {}}
    assert second["id"] == "b"
    assert "socket a" in caplog.text
    assert 'handshake["auth"]["n"]' in caplog.text


@pytest.mark.parametrize("depth", range(50, 1050, 100))
def test_data_of_any_depth_leaves_an_answer(depth: int) -> None:
    data: Any = {}
    for _ in range(depth):
        data = {"a": data}
    maps = state_maps([state(data=data)], binary=False)
    assert dump_json({"type": 1, "data": {"sockets": maps}})
    assert pack({"type": 1, "data": {"sockets": state_maps([state(data=data)], binary=True)}})


@given(values.rich(values.rich_leaves | values.binary | values.strangers))
def test_whatever_a_socket_keeps_it_can_be_told(data: Any) -> None:
    assert dump_json(state_maps([state(data={"a": data})], binary=False))
    pack(state_maps([state(data={"a": data, "b": b""})], binary=True))


def test_what_is_kept_for_a_client_leaves_the_rest_out(caplog: pytest.LogCaptureFixture) -> None:
    assert carried_data("a", {"user": object(), "name": "a", "big": 2**70}) == {"name": "a"}
    assert "socket a" in caplog.text

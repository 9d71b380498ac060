"""Placeholders back to bytes, and packets whose attachments are still arriving."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.codec.attachments import Reassembly, fill_placeholders
from flask_realtime.codec.socket_packet import Packet, PacketType
from flask_realtime.errors import PacketError

ONE, TWO = b"\x01", b"\x02\x02"


def fill(data: Any, attachments: list[bytes]) -> Any:
    return fill_placeholders([data], attachments)[0]


def placeholder(num: Any) -> dict[str, Any]:
    return {"_placeholder": True, "num": num}


def event(*args: Any) -> Packet:
    return Packet(PacketType.BINARY_EVENT, "/admin", ["event", *args], 7)


def test_placeholders_are_filled_wherever_they_are() -> None:
    data = ["e", placeholder(1), {"a": [placeholder(0), {"b": placeholder(2)}]}, "text", None, 3]
    assert fill(data, [ONE, TWO, b""]) == ["e", TWO, {"a": [ONE, {"b": b""}]}, "text", None, 3]


def test_the_containers_of_another_json_module_are_searched() -> None:
    class Items(list[Any]):
        pass

    data = Items([OrderedDict(a=Items([OrderedDict(placeholder(0))]))])
    assert fill(data, [ONE]) == [{"a": [ONE]}]


@pytest.mark.parametrize("attachment", [ONE, b""], ids=["some bytes", "no bytes"])
@pytest.mark.parametrize(
    "wrap",
    [lambda mark: [mark, mark], lambda mark: {"a": mark, "b": [{"c": mark}]}],
    ids=["side by side", "deep"],
)
def test_an_attachment_that_is_named_twice_is_refused(wrap: Any, attachment: bytes) -> None:
    """Each name would be a copy of its own, once a handler sends its argument on."""
    with pytest.raises(PacketError, match="same attachment"):
        fill(wrap(placeholder(0)), [attachment])


@pytest.mark.parametrize(
    ("data", "attachments"),
    [("nothing", [ONE]), ([placeholder(1)], [ONE, TWO]), ([placeholder(0)], [ONE, b""])],
)
def test_an_attachment_that_is_not_named_is_refused(data: Any, attachments: list[bytes]) -> None:
    with pytest.raises(PacketError, match="no placeholder"):
        fill(data, attachments)


@pytest.mark.parametrize(
    "num",
    [
        -1,
        1,
        2,
        10**9,
        2**64,
        -(2**64),
        0.0,
        0.5,
        1.5,
        "0",
        "",
        "length",
        True,
        False,
        None,
        [],
        [0],
        {},
    ],
    ids=repr,
)
def test_a_placeholder_that_names_no_attachment_is_refused(num: Any) -> None:
    """CVE-2022-2421: "num" was used as an index without being one."""
    with pytest.raises(PacketError, match="illegal attachments"):
        fill(placeholder(num), [ONE])


def test_a_placeholder_without_a_number_is_refused() -> None:
    with pytest.raises(PacketError, match="illegal attachments"):
        fill([{"_placeholder": True}], [ONE])


@pytest.mark.parametrize("mark", [False, None, 0, 1, "true", [], {}], ids=repr)
def test_only_true_marks_a_placeholder(mark: Any) -> None:
    data = [{"_placeholder": mark, "num": 0}]
    assert fill(data, []) == data


def test_a_placeholder_inside_a_placeholder_is_ignored() -> None:
    data = {"_placeholder": True, "num": 0, "more": placeholder(-1)}
    assert fill(data, [ONE]) == ONE


def test_a_packet_is_complete_with_its_last_attachment() -> None:
    pending = Reassembly(event(placeholder(1), placeholder(0)), 2, max_size=100)
    assert pending.add(ONE) is None
    assert pending.add(TWO) == event(TWO, ONE)


def test_a_packet_without_attachments_is_complete_at_once() -> None:
    assert Reassembly(event("data"), 0, max_size=0).packet() == event("data")


def test_a_packet_without_attachments_has_nothing_to_fill_placeholders_with() -> None:
    with pytest.raises(PacketError, match="illegal attachments"):
        Reassembly(event(placeholder(0)), 0, max_size=100).packet()


def test_a_wrong_placeholder_is_found_with_the_last_attachment() -> None:
    pending = Reassembly(event(placeholder(2)), 2, max_size=100)
    assert pending.add(ONE) is None
    with pytest.raises(PacketError, match="illegal attachments"):
        pending.add(TWO)


def test_the_attachments_of_a_packet_share_one_limit() -> None:
    """CVE-2026-48804, CVE-2026-69185: attachments piled up without any bound."""
    pending = Reassembly(event(*map(placeholder, range(3))), 3, max_size=10)
    assert pending.add(bytes(4)) is None
    assert pending.add(bytes(6)) is None
    with pytest.raises(PacketError, match="too large"):
        pending.add(b"x")


def test_one_attachment_may_fill_the_limit() -> None:
    assert Reassembly(event(placeholder(0)), 1, max_size=10).add(bytes(10)) == event(bytes(10))
    with pytest.raises(PacketError, match="too large"):
        Reassembly(event(placeholder(0)), 1, max_size=10).add(bytes(11))


@pytest.mark.parametrize("wrap", [lambda data: [data], lambda data: {"a": data}], ids=["[", "{"])
def test_data_nested_too_deeply_is_refused(wrap: Any) -> None:
    data: Any = "leaf"
    for _ in range(100_000):
        data = wrap(data)
    with pytest.raises(PacketError, match="nested"):
        Reassembly(event(data), 1, max_size=10).add(ONE)


plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
)


@given(plain_json)
def test_data_without_placeholders_stays_as_it_is(data: Any) -> None:
    assert fill(data, []) == data


@given(st.lists(st.binary(max_size=5), max_size=4), st.data())
def test_attachments_that_are_named_once_each_are_filled_in(
    attachments: list[bytes], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(attachments))))
    assert fill(list(map(placeholder, order)), attachments) == [attachments[num] for num in order]

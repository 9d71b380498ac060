"""One message in the forms of both transports."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from collections.abc import Callable

import pytest

from flask_realtime.codec.message import Message, text_packet
from tests.codec.frames import BINARY, TEXT, Frame, server_frames


def test_a_text_is_one_frame_and_one_packet() -> None:
    message = Message(b'2["hi"]')
    assert server_frames(message.frames()) == [Frame(True, TEXT, b'42["hi"]')]
    assert message.packets() == (b'42["hi"]',)


def test_attachments_follow_their_text_in_order_with_nothing_between_them() -> None:
    message = Message(b"52-[]", [b"\x01\x02", b""])
    assert server_frames(message.frames()) == [
        Frame(True, TEXT, b"452-[]"),
        Frame(True, BINARY, b"\x01\x02"),
        Frame(True, BINARY, b""),
    ]
    assert message.packets() == (b"452-[]", b"bAQI=", b"b")


def test_a_binary_message_has_no_type_digit() -> None:
    message = Message(None, [b"\x01\x02\x03\x04"])
    assert server_frames(message.frames()) == [Frame(True, BINARY, b"\x01\x02\x03\x04")]
    assert message.packets() == (b"bAQIDBA==",)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_a_parser_may_make_it_of_any_kind_of_bytes(kind: Callable[[bytes], bytes]) -> None:
    message = Message(kind(b"52-[]"), [kind(b"\x01"), kind(b"")])
    same = Message(b"52-[]", [b"\x01", b""])
    assert (message.frames(), message.packets()) == (same.frames(), same.packets())


def test_it_can_be_copied_and_pickled() -> None:
    message = Message(b"51-[]", [b"\x01"], False)
    for other in (copy.copy(message), copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert (other.frames(), other.compress) == (message.frames(), False)


def test_an_empty_message_is_still_a_message() -> None:
    """An empty text and an empty binary are different from no text at all."""
    assert server_frames(Message(b"").frames()) == [Frame(True, TEXT, b"4")]
    assert Message(b"").packets() == (b"4",)


def test_each_form_is_made_once_for_all_recipients() -> None:
    message = Message(b'2["hi"]', [b"\x01"])
    assert message.frames() is message.frames()
    assert message.packets() is message.packets()


def test_other_forms_are_made_once_for_each_key() -> None:
    message, made = Message(b"2"), []

    def make(given: Message) -> bytes:
        made.append(given)
        return b"form %d" % len(made)

    assert [message.variant(key, make) for key in "abab"] == [b"form 1", b"form 2"] * 2
    assert made == [message, message]


@pytest.mark.parametrize(
    ("text", "attachments", "largest"),
    [
        (b"", [], 1),
        (b"abc", [b"a"], 4),
        (b"5", [b"", b"a" * 9], 9),
        (None, [b""], 0),
        (None, [], 0),
    ],
)
def test_the_largest_part_counts_as_it_is_framed(
    text: bytes | None, attachments: list[bytes], largest: int
) -> None:
    assert Message(text, attachments).largest == largest


@pytest.mark.parametrize(
    ("text", "attachments", "size"),
    [(b"", [], 0), (b"abc", [b"a"], 4), (b"5", [b"", b"a" * 9], 10), (None, [b"abc"], 3)],
)
def test_the_size_is_that_of_the_text_and_all_attachments(
    text: bytes | None, attachments: list[bytes], size: int
) -> None:
    message = Message(text, attachments)
    assert message.size == size
    assert message.framed is None


def test_one_attachment_that_is_named_a_thousand_times_is_counted_and_not_copied() -> None:
    message = Message(b"51000-[]", [b"a" * 1_000_000] * 1000)
    tracemalloc.start()
    try:
        assert message.size == 1_000_000_008
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


def test_a_message_may_be_compressed_unless_it_says_otherwise() -> None:
    assert Message(b"").compress
    assert not Message(b"", compress=False).compress


@pytest.mark.parametrize("packet", ["2", "3probe", "6", "4\u20ac"])
def test_a_control_packet_is_one_text_frame(packet: str) -> None:
    assert server_frames(text_packet(packet)) == [Frame(True, TEXT, packet.encode())]


def test_protocol_3_has_the_type_in_front_of_attachments() -> None:
    message = Message(b"52-[]", [b"\x01\x02", b""], compress=False)
    old = message.revision3()
    assert server_frames(old.frames()) == [
        Frame(True, TEXT, b"452-[]"),
        Frame(True, BINARY, b"\x04\x01\x02"),
        Frame(True, BINARY, b"\x04"),
    ]
    assert old.packets() == (b"452-[]", b"\x04\x01\x02", b"\x04")
    assert not old.compress
    assert message.packets() == (b"452-[]", b"bAQI=", b"b")


def test_protocol_3_has_its_form_made_once_and_none_for_text() -> None:
    message = Message(None, [b"\x01"])
    assert message.revision3() is message.revision3()
    assert message.revision3().revision3() is message.revision3()
    assert message.revision3().packets() == (b"\x04\x01",)
    text = Message(b"2[]")
    assert text.revision3() is text


@pytest.mark.parametrize("data", [b"\x00a", bytearray(b"\x00a"), memoryview(b"\x00a")])
def test_bytes_of_any_kind_are_a_binary_message(data: bytes) -> None:
    message = Message.of(data, compress=False)
    assert (message.text, message.attachments, message.compress) == (None, (b"\x00a",), False)


def test_text_is_a_text_message_and_anything_else_is_refused() -> None:
    assert Message.of("é").text == "é".encode()
    with pytest.raises(TypeError, match="not int"):
        Message.of(5)

"""Frames of the client, read by the codec of the server, and the other way round."""

from __future__ import annotations

import pytest

from flask_realtime.codec.websocket import FrameDecoder, encode_frame
from flask_realtime.testing.frames import BINARY, TEXT, FrameReader, frame, text_frame

SIZES = [0, 1, 125, 126, 65_535, 65_536]


@pytest.mark.parametrize("size", SIZES)
def test_the_server_reads_what_the_client_sends(size: int) -> None:
    decoder = FrameDecoder(1_000_000)
    data = text_frame("é" * size) + frame(BINARY, b"x" * size)
    assert list(decoder.receive(data)) == ["é" * size, b"x" * size]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [1, 3, 1_000_000])
def test_the_client_reads_what_the_server_sends(size: int, step: int) -> None:
    size = min(size, 2000) if step < 10 else size
    reader, found = FrameReader(), []
    data = encode_frame(TEXT, b"x" * size) + encode_frame(BINARY, b"y")
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
        while (item := reader.next()) is not None:
            found.append(item)
    assert found == [(TEXT, b"x" * size), (BINARY, b"y")]
    assert reader.is_empty


def test_a_masked_frame_of_a_server_is_an_error() -> None:
    reader = FrameReader()
    reader.feed(text_frame("hello"))
    with pytest.raises(AssertionError, match="must not be masked"):
        reader.next()

"""Packets in the log: for sessions that open while it wants them, and for no others."""

from __future__ import annotations

import logging

import pytest

from flask_realtime.codec.message import Message
from tests.fakes import settle
from tests.worlds import EngineWorld

PACKETS = "flask_realtime.packets"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    settle()
    return [record.getMessage() for record in caplog.records if record.name == PACKETS]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_what_goes_in_and_out_is_a_line_each(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture, transport: str
) -> None:
    with caplog.at_level(logging.DEBUG, PACKETS):
        line = engine.network.line(transport)
        line.send('42["in"]', b"\x00\x01\x02")
        settle()
        engine.handler.last[0].send_message(Message('2["é"]'.encode(), [b"\x00"]))
    short = line.sid[:6]
    assert lines(caplog) == [
        f'< {short} 42["in"]',
        f"< {short} 3 bytes",
        f'> {short} 42["é"]',
        f"> {short} 1 bytes",
    ]


def test_a_message_of_bytes_alone_is_one_line(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, PACKETS):
        engine.network.websocket()
        session, _ = engine.handler.last
        session.send_message(Message(None, [b"\x00"]))
    assert lines(caplog) == [f"> {session.id[:6]} 1 bytes"]


def test_long_packets_are_cut(engine: EngineWorld, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, PACKETS):
        line = engine.network.websocket()
        line.send("4" + "x" * 999)
        settle()
    (shown,) = lines(caplog)
    assert shown.endswith("xxx… (1000 characters)")
    assert len(shown) < 250


def test_nobody_listens_to_a_session_while_the_log_is_off(
    engine: EngineWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, PACKETS):
        line = engine.network.websocket()
    session, _ = engine.handler.last
    assert not session.has_listeners
    with caplog.at_level(logging.DEBUG, PACKETS):
        line.send("4later")
        settle()
    assert lines(caplog) == []

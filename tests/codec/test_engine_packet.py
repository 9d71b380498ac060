"""The digits and separators of Engine.IO 4, as its specification prints them."""

from __future__ import annotations

import json

from flask_realtime.codec import engine_packet


def test_the_types_have_the_digits_of_the_specification() -> None:
    names = ("OPEN", "CLOSE", "PING", "PONG", "UPGRADE")
    assert [getattr(engine_packet, name) for name in names] == list("01235")


def test_the_probe_and_the_separator_are_those_of_the_specification() -> None:
    assert (engine_packet.PROBE, engine_packet.SEPARATOR) == ("probe", "\x1e")


def test_the_separator_cannot_occur_in_json() -> None:
    assert engine_packet.SEPARATOR not in json.dumps("\x1e", ensure_ascii=False)

"""Namespaces that the server has just left: remembered for a while, and not without bound."""

from __future__ import annotations

from flask_realtime.server.departures import MOST, UNDER_WAY, Departures


def test_what_was_left_is_remembered_for_a_time() -> None:
    departures = Departures()
    assert not departures.has("/chat", 100)
    departures.add("/chat", 100)
    assert departures.has("/chat", 100)
    assert departures.has("/chat", 100 + UNDER_WAY)
    assert not departures.has("/chat", 100 + UNDER_WAY + 1)
    assert not departures.has("/other", 100)


def test_leaving_again_begins_the_time_anew() -> None:
    departures = Departures()
    departures.add("/chat", 100)
    departures.add("/chat", 110)
    assert departures.has("/chat", 110 + UNDER_WAY)


def test_it_is_forgotten_once() -> None:
    departures = Departures()
    departures.add("/chat", 100)
    departures.forget("/chat")
    departures.forget("/chat")
    assert not departures.has("/chat", 100)


def test_what_is_too_old_goes_with_the_next() -> None:
    departures = Departures()
    departures.add("/a", 100)
    departures.add("/b", 101 + UNDER_WAY)
    assert len(departures) == 1


def test_the_oldest_go_when_there_are_too_many() -> None:
    departures = Departures()
    for number in range(MOST + 1):
        departures.add(f"/{number}", 100)
    assert len(departures) == MOST
    assert not departures.has("/0", 100)
    assert departures.has(f"/{MOST}", 100)

"""Acknowledgements of several clients."""

from __future__ import annotations

from typing import Any

import gevent

from flask_realtime.flask_socketio.answers import EachAnswer


def test_each_answer_is_passed_on_as_it_comes_and_the_last_ends_the_wait() -> None:
    answers: list[Any] = []
    ended: list[str] = []
    each = EachAnswer(lambda *values: answers.append(values))
    each.on_end(lambda: ended.append("end"))
    each.expect(3)
    each.start()
    each.respond(1, 2)
    assert answers == [(1, 2)]
    each.disconnected("transport close")
    assert not ended
    each.respond()
    assert answers == [(1, 2), ()]
    assert ended == ["end"]


def test_other_servers_hold_the_end_until_they_have_counted() -> None:
    ended: list[str] = []
    each = EachAnswer(print)
    each.on_end(lambda: ended.append("end"))
    each.hold()
    each.start()
    assert not ended
    each.release()
    assert ended == ["end"]


def test_answers_that_never_come_are_forgotten() -> None:
    ended: list[str] = []
    each = EachAnswer(print, patience=0.005)
    each.on_end(lambda: ended.append("end"))
    each.expect(1)
    each.start()
    gevent.sleep(0.02)
    assert ended == ["end"]

"""What is remembered for clients that come back, with the time as an argument."""

from __future__ import annotations

from flask_realtime.adapters.base import Target
from flask_realtime.adapters.recovery import PacketLog, SavedSession, SessionStore
from flask_realtime.codec.message import Message

EVERYONE = Target()


def message(text: str = "2") -> Message:
    return Message(text.encode())


def session(pid: str) -> SavedSession:
    return SavedSession(pid, "sid", frozenset(), {}, "")


def texts(found: list[Message] | None) -> list[bytes | None] | None:
    return None if found is None else [message.text for message in found]


def test_a_client_misses_what_came_after_its_offset() -> None:
    log = PacketLog(max_age=10, max_bytes=10_000)
    log.append(0, EVERYONE, message("before"))
    offset = log.end
    log.append(1, EVERYONE, message("one"))
    log.append(2, Target(frozenset({"red"})), message("two"))
    assert texts(log.since(offset, frozenset({"red"}))) == [b"one", b"two"]
    assert texts(log.since(offset, frozenset())) == [b"one"]


def test_what_is_too_old_is_gone_and_so_is_the_way_back() -> None:
    log = PacketLog(max_age=10, max_bytes=10_000)
    start = log.end
    log.append(0, EVERYONE, message())
    after = log.end
    assert log.has(start)
    log.prune(10.5)
    assert not log.has(start)
    assert texts(log.since(after, frozenset())) == []


def test_a_session_is_handed_out_once() -> None:
    store = SessionStore(max_age=10)
    store.save(0, session("a"))
    assert store.take(1, "a") == session("a")
    assert store.take(1, "a") is None

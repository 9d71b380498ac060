"""What is remembered for clients that come back, with the time as an argument."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.adapters.memory_log import PacketLog, SocketStore, is_for
from flask_realtime.adapters.values import SavedSocket, Target
from flask_realtime.codec.message import Message

EVERYONE = Target()
#: More than any test puts into a log.
MUCH = 1_000_000


def message(text: object = "2") -> Message:
    return Message(str(text).encode())


def to(*rooms: str, but: tuple[str, ...] = ()) -> Target:
    return Target(frozenset(rooms), frozenset(but))


def rooms(*names: str, since: int = 0) -> dict[str, int]:
    return dict.fromkeys(names, since)


def session(pid: str) -> SavedSocket:
    return SavedSocket(pid, "sid", frozenset(), {}, "")


def texts(found: list[Message] | None) -> list[bytes | None] | None:
    return None if found is None else [message.text for message in found]


def size_of_one(text: str = "2", target: Target = EVERYONE) -> int:
    log = PacketLog(10, MUCH)
    log.append(0, target, message(text))
    return log.size


# --- the log -----------------------------------------------------------------


def test_a_client_misses_what_came_after_its_offset() -> None:
    log = PacketLog(max_age=10, max_bytes=MUCH)
    log.append(0, EVERYONE, message("before"))
    offset = log.end
    log.append(1, EVERYONE, message("one"))
    log.append(2, to("red"), message("two"))
    assert texts(log.since(offset, rooms("red"))) == [b"one", b"two"]
    assert texts(log.since(offset, {})) == [b"one"]
    assert texts(log.since(log.end, rooms("red"))) == []


def test_the_next_offset_is_the_end_once_the_packet_is_there() -> None:
    log = PacketLog(10, MUCH)
    seen = [log.end]
    for _ in range(3):
        offset = log.next
        log.append(0, EVERYONE, message())
        assert log.end == offset
        seen.append(offset)
    assert len(set(seen)) == 4


def test_what_is_as_old_as_it_may_be_is_still_there() -> None:
    log = PacketLog(max_age=10, max_bytes=MUCH)
    start = log.end
    log.append(0, EVERYONE, message())
    log.prune(10)
    assert texts(log.since(start, {})) == [b"2"]


def test_what_is_too_old_is_gone_and_so_is_the_way_back() -> None:
    log = PacketLog(max_age=10, max_bytes=MUCH)
    start = log.end
    log.append(0, EVERYONE, message())
    after = log.end
    log.prune(10.001)
    assert (len(log), log.size) == (0, 0)
    assert not log.has(start, {})
    assert log.since(start, {}) is None
    assert texts(log.since(after, {})) == []


def test_what_just_fits_is_still_there() -> None:
    one = size_of_one()
    log = PacketLog(10, max_bytes=3 * one)
    for _ in range(3):
        log.append(0, EVERYONE, message())
    assert (len(log), log.size) == (3, 3 * one)
    log.append(0, EVERYONE, message())
    assert (len(log), log.size) == (3, 3 * one)


def test_one_byte_less_is_one_packet_less() -> None:
    log = PacketLog(10, max_bytes=3 * size_of_one() - 1)
    for _ in range(3):
        log.append(0, EVERYONE, message())
    assert len(log) == 2


def test_a_packet_beyond_the_bound_is_dropped_at_once_with_all_before_it() -> None:
    log = PacketLog(10, max_bytes=10_000)
    start = log.end
    log.append(0, EVERYONE, message("small"))
    log.append(0, EVERYONE, message("x" * 10_000))
    assert (len(log), log.size) == (0, 0)
    assert log.since(start, {}) is None
    assert texts(log.since(log.end, {})) == []


def test_attachments_and_rooms_count_as_well() -> None:
    log = PacketLog(10, MUCH)
    log.append(0, EVERYONE, Message(b"51-[]", [b"x" * 1000, b"y" * 500]))
    assert log.size == size_of_one("51-[]") + 1500
    assert size_of_one(target=to("a", "b", but=("c",))) > size_of_one(target=to("a"))
    log.append(0, EVERYONE, Message(None, [b"x" * 1000]))
    assert log.size > size_of_one("51-[]") + 2500


@pytest.mark.parametrize("text", [b"51-[]", None], ids=["text", "binary only"])
def test_what_is_sent_again_is_what_was_sent(text: bytes | None) -> None:
    log = PacketLog(10, MUCH)
    start = log.end
    sent = Message(text, [b"bytes"], compress=False)
    sent.frames()
    log.append(0, EVERYONE, sent)
    again, later = (found[0] for _ in range(2) if (found := log.since(start, {})))
    assert (again.frames(), again.packets()) == (sent.frames(), sent.packets())
    assert not again.compress
    # The forms of the transports would not count, and stay in memory with the packet.
    assert again is not sent
    assert later is not again


# --- what was dropped, and for whom ------------------------------------------


def test_a_client_in_a_quiet_room_comes_back_although_other_rooms_are_busy() -> None:
    log = PacketLog(max_age=10, max_bytes=MUCH)
    start = log.end
    log.append(0, to("busy"), message("old"))
    log.append(11, to("busy"), message("new"))
    log.append(12, to("quiet"), message("missed"))
    assert len(log) == 2
    assert texts(log.since(start, rooms("quiet"))) == [b"missed"]
    assert log.since(start, rooms("busy")) is None
    assert log.since(start, rooms("quiet", "busy")) is None


def test_what_was_dropped_before_a_client_joined_is_not_missing() -> None:
    log = PacketLog(max_age=10, max_bytes=MUCH)
    start = log.end
    log.append(0, to("red"), message("old"))
    since = log.last
    log.prune(11)
    assert texts(log.since(start, rooms("red", since=since))) == []
    assert log.since(start, rooms("red", since=since - 1)) is None


def test_beyond_many_rooms_the_log_forgets_which_they_were() -> None:
    log = PacketLog(max_age=10, max_bytes=MUCH, max_rooms=2)
    start = log.end
    offsets = []
    for room in ("a", "b", "a", "c"):
        log.append(0, to(room), message())
        offsets.append(log.end)
    log.prune(11)
    # "b" had to make room: that it was not for "quiet" is forgotten.
    assert not log.has(start, rooms("quiet"))
    assert log.has(offsets[1], rooms("quiet"))
    assert not log.has(offsets[1], rooms("a"))
    assert log.has(offsets[2], rooms("a"))


def test_when_no_client_is_left_it_is_forgotten_for_which_rooms_packets_were_dropped() -> None:
    log = PacketLog(max_age=10, max_bytes=MUCH)
    start = log.end
    log.append(0, to("busy"), message())
    log.prune(11)
    assert log.has(start, rooms("quiet"))
    log.forget()
    assert not log.has(start, rooms("quiet"))
    assert log.has(log.end, rooms("quiet", "busy"))


# --- whom a packet was for ---------------------------------------------------


@pytest.mark.parametrize(
    ("target", "inside", "expected"),
    [
        (EVERYONE, rooms(), True),
        (to("red"), rooms("red"), True),
        (to("red", "blue"), rooms("blue"), True),
        (to("red"), rooms("blue"), False),
        (to(but=("red",)), rooms("blue"), True),
        (to(but=("red",)), rooms("red", "blue"), False),
        (to("blue", but=("red",)), rooms("red", "blue"), False),
        (to("red"), rooms("red", since=4), True),
        (to("red"), rooms("red", since=5), False),
        (to(but=("red",)), rooms("red", since=5), True),
        (to(but=("red",)), rooms("red", since=4), False),
    ],
)
def test_a_packet_is_for_those_who_were_in_its_rooms(
    target: Target, inside: dict[str, int], expected: bool
) -> None:
    assert is_for(target, inside, number=5) is expected


# --- offsets -----------------------------------------------------------------


def other_log() -> PacketLog:
    log = PacketLog(10, MUCH)
    log.append(0, EVERYONE, message())
    return log


MALFORMED = [
    "", ".", "1", "x", ".1", "1.", "{tag}", "{tag}.", "{tag}.x", "{tag}.-1", "{tag}.+1",
    "{tag}.1.1", "{tag} .1", "{tag}. 1", "{tag}.1\n", "{tag}.١", "{tag}." + "9" * 19,
    "{tag}." + "9" * 5000, "{tag}x.1", "\0", "{tag}.1e0", "2024-01-01", "NaN",
]  # fmt: skip


@pytest.mark.parametrize("given", MALFORMED)
def test_an_offset_that_is_none_leads_nowhere(given: str) -> None:
    log = PacketLog(10, MUCH)
    known = log.end
    log.append(0, EVERYONE, message())
    offset = given.replace("{tag}", known.partition(".")[0])
    assert log.position(known, offset) is None
    assert log.since(offset, {}) is None
    assert not log.has(offset, {})


def test_an_offset_that_is_still_to_come_leads_nowhere() -> None:
    log = PacketLog(10, MUCH)
    assert log.position(log.end, log.next) is None
    assert log.since(log.next, {}) is None


def test_an_offset_of_another_log_is_none_of_this_one() -> None:
    log, other = other_log(), other_log()
    assert not log.has(other.end, {})
    assert log.since(other.end, {}) is None


def test_a_client_goes_on_from_what_it_has_received_last() -> None:
    log = PacketLog(10, MUCH)
    first = log.end
    log.append(0, EVERYONE, message())
    second = log.end
    assert log.position(first, None) == first
    assert log.position(first, second) == second


def test_an_offset_of_an_earlier_life_says_that_nothing_was_received_in_this_one() -> None:
    log = PacketLog(10, MUCH)
    before = log.end
    log.append(0, EVERYONE, message())
    joined = log.end
    assert log.position(joined, before) == joined
    assert log.position(joined, other_log().end) == joined


# --- properties --------------------------------------------------------------

NAMES = ("red", "blue", "own")
names = st.frozensets(st.sampled_from(NAMES), max_size=2)
sends = st.tuples(st.just("send"), names, names)
joins = st.tuples(st.just("join"), st.sampled_from(NAMES))
waits = st.tuples(st.just("wait"), st.integers(1, 6))
steps = st.lists(st.one_of(sends, sends, joins, waits), max_size=40)


@given(steps=steps, reached=st.integers(0, 40), room=st.integers(1, 12))
def test_a_client_that_comes_back_gets_what_was_for_it_and_has_not_arrived_or_nothing(
    steps: list[Any], reached: int, room: int
) -> None:
    """In order, each once; a model that keeps everything knows what that is."""
    log = PacketLog(max_age=20, max_bytes=room * 1000)
    now, offset = 0.0, log.end
    joined: dict[str, int] = {}
    meant: list[tuple[bytes, str, float]] = []
    for number, (kind, *args) in enumerate(steps):
        if kind == "join":
            joined.setdefault(args[0], log.last)
        elif kind == "wait":
            now += args[0]
            log.prune(now)
        else:
            wanted, unwanted = args
            text = b"%d" % number
            log.append(now, Target(wanted, unwanted), Message(text))
            if not unwanted & joined.keys() and (not wanted or wanted & joined.keys()):
                meant.append((text, log.end, now))
    # The client has received so many of them before it was lost.
    if meant[:reached]:
        offset = meant[:reached][-1][1]
    missed = meant[reached:]
    found = log.since(offset, joined)
    assert log.has(offset, joined) == (found is not None)
    if found is not None:
        assert texts(found) == [text for text, _, _ in missed]
    elif not missed:
        # Refused without need only because a socket in one of its rooms was left out.
        assert any(kind == "send" and args[1] for kind, *args in steps)
    assert log.size <= room * 1000


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2000)), max_size=60))
def test_the_log_stays_within_both_bounds(packets: list[tuple[int, int]]) -> None:
    log, now = PacketLog(max_age=10, max_bytes=5_000), 0
    times: list[int] = []
    start = log.end
    for wait, size in packets:
        now += wait
        log.append(now, EVERYONE, message("x" * size))
        times.append(now)
        assert log.size <= 5_000
        # Those that are left are the newest, and none of them is too old.
        assert all(now - time <= 10 for time in times[len(times) - len(log) :])
    log.prune(now + 11)
    assert (len(log), log.size) == (0, 0)
    assert (log.since(start, {}) is None) == bool(packets)


# --- the sessions ------------------------------------------------------------


def test_a_session_is_handed_out_once() -> None:
    store = SocketStore(max_age=10)
    store.save(0, session("a"))
    assert store.take(1, "a") == session("a")
    assert store.take(1, "a") is None


def test_a_session_is_kept_as_long_as_was_said() -> None:
    store = SocketStore(max_age=10)
    store.save(0, session("a"))
    assert store.take(10, "a") == session("a")
    store.save(20, session("a"))
    assert store.take(30.001, "a") is None
    assert len(store) == 0


def test_sessions_that_expired_are_forgotten_oldest_first() -> None:
    store = SocketStore(max_age=10)
    for now, pid in enumerate("abc"):
        store.save(now, session(pid))
    store.save(5, session("a"))  # it was lost once more
    store.prune(11.5)
    assert len(store) == 2
    assert store.take(11.5, "b") is None
    assert store.take(11.5, "a") is not None


def test_beyond_the_bound_the_oldest_session_goes() -> None:
    store = SocketStore(max_age=10, max_count=2)
    for pid in "abc":
        store.save(0, session(pid))
    assert len(store) == 2
    assert store.take(0, "a") is None
    assert store.take(0, "c") is not None

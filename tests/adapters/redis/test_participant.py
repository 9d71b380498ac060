"""A namespace takes part under a name of its own, and what it shares is closed with the last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from gevent.event import Event

from flask_realtime.adapters.redis.participant import Dialect, Participant, SharedConnections
from flask_realtime.adapters.wire.messages import (
    AllRooms,
    ClientCount,
    IdsFound,
    Request,
    Response,
)
from flask_realtime.testing.fakes import FakeReceiver
from tests.adapters.redis_world import wait_for
from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("quiet_hub")


class Party:
    """The namespaces of one server, what they hear on other channels, and their end."""

    def __init__(self, url: str) -> None:
        self.closed = 0
        self.shared = SharedConnections(url, on_close=self.on_close)
        self.channels = self.shared.channels
        self.heard: list[tuple[str, bytes]] = []

    def on_close(self) -> None:
        # The connections are there: what is kept elsewhere may still send.
        assert self.channels.stats()["queued_bytes"] == 0
        self.closed += 1

    def add(self, name: str, **changes: Any) -> Participant:
        dialect = Dialect(
            common=f"all {name}",
            answers=f"to {name} ",
            beginnings=self.beginnings,
            encode=lambda uid, response: f"{uid};{response.request_id}".encode(),
            decode=self.decode,
        )
        return self.shared.participant(replace(dialect, **changes))

    @staticmethod
    def beginnings(uid: str) -> tuple[bytes, ...]:
        return f"{uid}:".encode(), f"{uid};".encode()

    @staticmethod
    def decode(channel: str, payload: bytes) -> tuple[str, Request | Response] | None:
        """Read "uid:id" as a request, "uid;id" as a response, and "-" as nothing."""
        uid, sign, request_id = re.split(b"([:;-])", payload, maxsplit=1)
        if sign == b"-":
            return None
        if sign == b":":
            return uid.decode(), AllRooms(request_id.decode())
        return uid.decode(), IdsFound(request_id.decode(), [channel])

    def join(self, participant: Participant) -> FakeReceiver:
        receiver = FakeReceiver()
        participant.join(receiver)
        return receiver

    def hear(self, channel: str, payload: bytes) -> None:
        self.heard.append((channel, payload))


@pytest.fixture
def party(redis_server: RedisServer) -> Iterator[Party]:
    made = Party(redis_server.url)
    yield made
    made.channels.close()


def listened_to(server: RedisServer) -> set[str]:
    names: list[bytes] = server.client.execute_command("PUBSUB", "CHANNELS")
    return {name.decode() for name in names}


def test_with_the_last_of_them_the_connections_are_closed(party: Party) -> None:
    one, two = party.add("/"), party.add("/chat")
    party.join(two)
    one.leave()
    one.leave()
    assert party.closed == 0
    two.leave()
    two.leave()
    assert party.closed == 1


def test_who_joins_hears_what_is_sent_to_it_alone_until_it_leaves(
    redis_server: RedisServer, party: Party
) -> None:
    one, other = party.add("/"), party.add("/chat")
    party.join(other)
    receiver = party.join(one)
    assert one.server_count() == 1
    own = one.channel_of(one.uid)
    assert own == f"to / {one.uid}#"
    assert listened_to(redis_server) == {
        "all /", own, "all /chat", other.channel_of(other.uid)
    }  # fmt: skip
    other.respond(own, ClientCount("yes", 1))
    wait_for(lambda: receiver.responses == [(IdsFound("yes", [own]), other.uid)])
    one.leave()
    wait_for(lambda: listened_to(redis_server) == {"all /chat", other.channel_of(other.uid)})
    assert one.server_count() == 0


def test_channels_below_a_prefix_are_left_as_well(redis_server: RedisServer, party: Party) -> None:
    one, other = party.add("/"), party.add("/chat")
    party.join(one)
    one.listen_below(party.hear, "below#")
    assert one.server_count() == 1
    assert redis_server.client.execute_command("PUBSUB", "NUMPAT") == 1
    one.leave()
    wait_for(lambda: redis_server.client.execute_command("PUBSUB", "NUMPAT") == 0)
    other.leave()


def test_each_time_it_joins_it_is_another_server(party: Party) -> None:
    one = party.add("/")
    made = one.uid
    party.join(one)
    assert one.uid != made
    assert one.receiver_of(f"{made}:".encode()) is one.receiver


def test_what_it_has_sent_itself_is_dropped(party: Party) -> None:
    one = party.add("/")
    assert one.receiver_of(b"x:") is None
    receiver = party.join(one)
    assert one.receiver_of(b"x:") is receiver
    for own in party.beginnings(one.uid):
        assert one.receiver_of(own + b"...") is None
    one.leave()
    assert one.receiver_of(b"x:") is None


@pytest.mark.parametrize("error", [TypeError, ValueError])
def test_an_answer_that_cannot_be_carried_is_logged_and_not_sent(
    party: Party, error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(uid: str, response: Response) -> bytes:
        raise error("no such thing")

    one = party.add("/", encode=refuse)
    one.respond("to / x#", ClientCount("id", 1))
    assert "cannot be sent: no such thing" in caplog.text
    assert party.channels.stats()["queued_bytes"] == 0


def test_a_channel_can_be_left_before_the_others(redis_server: RedisServer, party: Party) -> None:
    one = party.add("/")
    party.join(one)
    one.listen(party.hear, "room")
    assert one.server_count() == 1
    one.ignore("room")
    one.ignore("room")
    wait_for(lambda: listened_to(redis_server) == {"all /", one.channel_of(one.uid)})


def test_requests_wait_for_their_turn_and_responses_do_not(party: Party) -> None:
    one = party.add("/")
    receiver = party.join(one)
    one.hear("c", b"x:1")
    one.hear("c", b"x;2")
    assert receiver.requests == []
    assert receiver.responses == [(IdsFound("2", ["c"]), "x")]
    wait_for(lambda: receiver.requests == [(AllRooms("1"), "x", None)])
    gate = Event()
    one.requests.put(gate.wait)
    one.hear("c", b"x:3")
    one.leave()
    one.hear("c", b"x;4")
    gate.set()
    wait_for(lambda: one.requests.is_empty)
    assert (len(receiver.requests), len(receiver.responses)) == (1, 1)


def test_a_message_that_is_of_no_concern_is_dropped_and_a_malformed_one_raises(
    party: Party,
) -> None:
    one = party.add("/")
    receiver = party.join(one)
    one.hear("c", b"x-1")
    with pytest.raises(ValueError, match="unpack"):
        one.hear("c", b"x")
    assert (receiver.requests, receiver.responses) == ([], [])
    assert one.requests.is_empty

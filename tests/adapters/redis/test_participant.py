"""A namespace takes part under a name of its own, and what it shares is closed with the last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gevent.event import Event

from flask_realtime.adapters.redis.channels import RedisChannels
from flask_realtime.adapters.redis.link import RedisLink
from flask_realtime.adapters.redis.participant import Participant, Participants
from flask_realtime.adapters.wire.messages import AllRooms, ClientCount, Request, Response
from tests.adapters.redis_world import wait_for
from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("quiet_hub")


class Deaf:
    """Takes what arrives, and keeps nothing."""

    def has_room(self, room: str) -> bool:
        return False

    def on_request(self, request: Request, origin: str, offset: str | None = None) -> None:
        raise NotImplementedError

    def on_response(self, response: Response, origin: str) -> None:
        raise NotImplementedError


class Listener(Deaf):
    """Takes what arrives, and keeps it."""

    def __init__(self) -> None:
        self.heard: list[Request | Response] = []

    def on_request(self, request: Request, origin: str, offset: str | None = None) -> None:
        self.heard.append(request)

    def on_response(self, response: Response, origin: str) -> None:
        self.heard.append(response)


class Party:
    """The participants of one server, what they hear on their own channels, and their end."""

    def __init__(self, url: str) -> None:
        self.channels = RedisChannels(RedisLink(url))
        self.heard: list[tuple[str, bytes]] = []
        self.closed = 0
        self.participants = Participants(self.channels, self.close)

    def close(self) -> None:
        self.closed += 1
        self.channels.close()

    def add(self, name: str) -> Participant:
        return self.participants.add(f"all {name}", f"to {name} ", self.beginnings)

    @staticmethod
    def beginnings(uid: str) -> tuple[bytes, ...]:
        return f"{uid}:".encode(), f"{uid};".encode()

    def join(self, participant: Participant, name: str) -> Deaf:
        receiver = Deaf()
        participant.join(receiver, self.hear)
        participant.listen(self.hear, f"all {name}")
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
    party.join(two, "/chat")
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
    party.join(other, "/chat")
    party.join(one, "/")
    assert one.server_count() == 1
    own = one.channel_of(one.uid)
    assert own == f"to / {one.uid}#"
    assert listened_to(redis_server) == {
        "all /", own, "all /chat", other.channel_of(other.uid)
    }  # fmt: skip
    other.answer(own, lambda found: found.request_id.encode(), ClientCount("yes", 1))
    wait_for(lambda: party.heard == [(own, b"yes")])
    one.leave()
    wait_for(lambda: listened_to(redis_server) == {"all /chat", other.channel_of(other.uid)})
    assert one.server_count() == 0


def test_channels_below_a_prefix_are_left_as_well(redis_server: RedisServer, party: Party) -> None:
    one, other = party.add("/"), party.add("/chat")
    party.join(one, "/")
    party.channels.listen_below(party.hear, "below#")
    assert one.server_count() == 1
    assert redis_server.client.execute_command("PUBSUB", "NUMPAT") == 1
    one.leave(below="below#")
    wait_for(lambda: redis_server.client.execute_command("PUBSUB", "NUMPAT") == 0)
    other.leave()


def test_each_time_it_joins_it_is_another_server(party: Party) -> None:
    one = party.add("/")
    made = one.uid
    party.join(one, "/")
    assert one.uid != made
    assert one.receiver_of(f"{made}:".encode()) is one.receiver


def test_what_it_has_sent_itself_is_for_nobody(party: Party) -> None:
    one = party.add("/")
    assert one.receiver_of(b"x:") is None
    receiver = party.join(one, "/")
    assert one.receiver_of(b"x:") is receiver
    for own in party.beginnings(one.uid):
        assert one.receiver_of(own + b"...") is None
    one.leave()
    assert one.receiver_of(b"x:") is None


@pytest.mark.parametrize("error", [TypeError, ValueError])
def test_an_answer_that_cannot_be_carried_is_logged_and_not_sent(
    party: Party, error: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(response: Response) -> bytes:
        raise error("no such thing")

    one = party.add("/")
    one.answer("to / x#", refuse, ClientCount("id", 1))
    assert "cannot be sent: no such thing" in caplog.text
    assert party.channels.stats()["queued_bytes"] == 0


def test_a_channel_can_be_left_before_the_others(redis_server: RedisServer, party: Party) -> None:
    one = party.add("/")
    party.join(one, "/")
    one.listen(party.hear, "room")
    assert one.server_count() == 1
    one.ignore("room")
    one.ignore("room")
    wait_for(lambda: listened_to(redis_server) == {"all /", one.channel_of(one.uid)})


def test_requests_wait_for_their_turn_and_responses_do_not(party: Party) -> None:
    one = party.add("/")
    one.receiver = listener = Listener()
    one.deliver("x", AllRooms("1"), 10)
    one.deliver("x", ClientCount("2", 1), 10)
    assert listener.heard == [ClientCount("2", 1)]
    wait_for(lambda: listener.heard == [ClientCount("2", 1), AllRooms("1")])
    gate = Event()
    one.requests.put(gate.wait)
    one.deliver("x", AllRooms("3"), 10)
    one.receiver = None
    one.deliver("x", ClientCount("4", 1), 10)
    gate.set()
    wait_for(lambda: one.requests.is_empty)
    assert len(listener.heard) == 2

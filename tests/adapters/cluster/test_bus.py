"""What a bus has read reaches its receiver as what it is."""

from __future__ import annotations

from flask_realtime.adapters.cluster.bus import deliver
from flask_realtime.adapters.wire.messages import ClientCount, ServerSideEmit
from tests.adapters.fakes import FakeReceiver


def test_a_message_is_passed_on_as_what_it_is() -> None:
    receiver = FakeReceiver()
    request, response = ServerSideEmit(["hello"]), ClientCount("1", 2)
    deliver(receiver, "me", request, "1-0")
    deliver(receiver, "me", response)
    assert receiver.requests == [(request, "me", "1-0")]
    assert receiver.responses == [(response, "me")]

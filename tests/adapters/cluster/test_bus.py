"""What a bus has read reaches its receiver as what it is."""

from __future__ import annotations

import gevent
import pytest

from flask_realtime.adapters.cluster.bus import deliver
from flask_realtime.adapters.cluster.request_queue import RequestQueue
from flask_realtime.adapters.wire.messages import ClientCount, ServerSideEmit
from flask_realtime.testing.fakes import FakeReceiver


def test_a_message_is_passed_on_as_what_it_is() -> None:
    receiver = FakeReceiver()
    request, response = ServerSideEmit(["hello"]), ClientCount("1", 2)
    deliver(receiver, "me", request, "1-0")
    deliver(receiver, "me", response)
    assert receiver.requests == [(request, "me", "1-0")]
    assert receiver.responses == [(response, "me")]


def test_with_a_queue_a_request_waits_for_its_turn_and_a_response_does_not(
    quiet_hub: object,
) -> None:
    receiver = FakeReceiver()
    queue = RequestQueue(lambda error: pytest.fail(str(error)))
    request, response = ServerSideEmit(["hello"]), ClientCount("1", 2)
    deliver(receiver, "me", request, "1-0", requests=queue, size=10)
    deliver(receiver, "me", response, requests=queue, size=10)
    assert (receiver.requests, receiver.responses) == ([], [(response, "me")])
    gevent.idle()
    assert receiver.requests == [(request, "me", "1-0")]
    queue.close()

"""The official client with another parser, and the default format with other JSON functions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.running import MODES, Runner, Servers, scenarios, sentence
from tests.processes import node_package

MSGPACK = "socket.io-msgpack-parser"
#: These look at attachments, and at a number that the client's encoder breaks (1e21).
NOT_MSGPACK = {
    "doesNotTakeAPlaceholderForAnAttachment",
    "isClosedForTooManyAttachments",
    "sendsAndReceivesManyArguments",
}
COMMON = [
    name
    for name in scenarios("connecting", "events", "acks", "rooms", "namespaces", "disconnecting")
    if name not in NOT_MSGPACK
]

# What bytes look like depends on the transport; the parser itself does not.
BINARY = [name for name in scenarios("binary", "messagepack") if name not in NOT_MSGPACK]


@pytest.fixture(scope="module")
def msgpack_client() -> Iterator[Runner]:
    node_package(MSGPACK)
    runner = Runner({"PARSER": MSGPACK})
    yield runner
    runner.stop()


@pytest.mark.parametrize("name", COMMON, ids=sentence)
def test_with_msgpack_the_client(msgpack_client: Runner, servers: Servers, name: str) -> None:
    msgpack_client.run(name, "upgrade", servers.get(parser="msgpack").url)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BINARY, ids=sentence)
def test_with_msgpack_on_each_transport_the_client(
    msgpack_client: Runner, servers: Servers, name: str, mode: str
) -> None:
    msgpack_client.run(name, mode, servers.get(parser="msgpack").url)


@pytest.mark.parametrize("name", scenarios("upgrading"), ids=sentence)
def test_with_msgpack_during_the_upgrade_the_client(
    msgpack_client: Runner, servers: Servers, name: str
) -> None:
    msgpack_client.run(name, "upgrade", servers.get(parser="msgpack").url)


@pytest.mark.parametrize("name", scenarios("events", "acks", "binary"), ids=sentence)
def test_with_json_functions_of_the_application_the_client(
    official_client: Runner, servers: Servers, name: str
) -> None:
    official_client.run(name, "upgrade", servers.get(parser="own json").url)

"""Compressed WebSocket messages between the official client and a real server."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from flask_realtime.testing.frames import TEXT, FrameReader
from tests.frames import Compressor
from tests.interop.running import Runner, Servers, scenarios, sentence
from tests.interop.wire import PATH
from tests.processes import ServerProcess

TAKEOVER = {"server_no_context_takeover": False, "client_no_context_takeover": False}
SETTINGS: dict[str, Any] = {
    "by_default": True,
    "with_context_takeover": {"threshold": 0, **TAKEOVER},
    "with_small_windows": {
        "threshold": 0,
        "server_max_window_bits": 8,
        "client_max_window_bits": 9,
        **TAKEOVER,
    },
}
#: What Chromium sends with every WebSocket.
CHROMIUM = "permessage-deflate; client_max_window_bits"


@pytest.fixture(params=SETTINGS)
def deflating(request: pytest.FixtureRequest, servers: Servers) -> ServerProcess:
    return servers.get(per_message_deflate=SETTINGS[request.param])


@pytest.mark.parametrize("mode", ["websocket", "upgrade"])
@pytest.mark.parametrize("name", scenarios("compression"), ids=sentence)
def test_the_client(
    official_client: Runner, deflating: ServerProcess, name: str, mode: str
) -> None:
    official_client.run(name, mode, deflating.url)


@pytest.mark.parametrize("name", scenarios("binary", "events", "upgrading"), ids=sentence)
def test_with_everything_compressed_the_client(
    official_client: Runner, servers: Servers, name: str
) -> None:
    url = servers.get(per_message_deflate=SETTINGS["with_context_takeover"]).url
    official_client.run(name, "upgrade", url)


@pytest.mark.parametrize("mode", ["websocket", "upgrade"])
@pytest.mark.parametrize("name", scenarios("uncompressed"), ids=sentence)
def test_by_default_the_client(
    official_client: Runner, server: ServerProcess, name: str, mode: str
) -> None:
    official_client.run(name, mode, server.url)


def test_a_raw_client_with_the_offer_of_a_browser(servers: Servers, tag: str) -> None:
    server = servers.get(per_message_deflate=True)
    client = Compressor()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(
            f"GET {PATH}?EIO=4&transport=websocket&tag={tag} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Extensions: {CHROMIUM}\r\n\r\n".encode()
        )
        data = b""
        while b"\r\n\r\n" not in data:
            data += raw.recv(65536)
        head, _, rest = data.partition(b"\r\n\r\n")
        agreed = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        assert b"\r\nSec-WebSocket-Extensions: " + agreed + b"\r\n" in head + b"\r\n"
        reader = FrameReader(client.inflate)
        reader.feed(rest)

        def receive() -> tuple[int, bytes]:
            while (found := reader.next()) is None:
                piece = raw.recv(65536)
                assert piece
                reader.feed(piece)
            return found

        assert receive()[1].startswith(b"0{")
        raw.sendall(client.frame(TEXT, b"40"))
        assert receive()[1].startswith(b"40{")
        event = b'42["echo","' + b"long " * 2000 + b'"]'
        raw.sendall(client.frame(TEXT, event))
        assert receive() == (TEXT, event)
        assert len(reader.compressed) == 1
        assert len(reader.compressed[0]) < 200

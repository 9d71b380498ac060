"""Peers that do not speak TLS to the embedded server."""

from __future__ import annotations

import socket

import pytest

from tests.hosts.conftest import Certificate, Host


@pytest.mark.parametrize("sent", [b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n"], ids=repr)
def test_a_peer_that_fails_the_handshake_leaves_no_traceback(
    certificate: Certificate, sent: bytes
) -> None:
    with Host("io.run with TLS", serve=("run",), tls=True).start(certificate) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
            plain.sendall(sent)
            plain.shutdown(socket.SHUT_WR)
            while _read(plain):
                pass
        server.stop()


def _read(plain: socket.socket) -> bytes:
    try:
        return plain.recv(1024)
    except ConnectionError:
        return b""

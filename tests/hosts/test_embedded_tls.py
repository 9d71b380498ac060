"""TLS at the embedded server: handshakes that fail, answers that end a connection."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

import pytest

from tests.certificate import Certificate
from tests.hosts.conftest import Host


@pytest.mark.parametrize("sent", [b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n"], ids=repr)
def test_a_peer_that_fails_the_handshake_leaves_no_traceback(
    certificate: Certificate, sent: bytes
) -> None:
    with Host("io.run with TLS", serve=("run",), tls=True).start(certificate) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
            plain.sendall(sent)
            with suppress(OSError):  # it may be closed already
                plain.shutdown(socket.SHUT_WR)
            while _read(plain):
                pass
        server.stop()


def test_a_413_arrives_at_a_client_that_sends_all_before_it_reads(
    certificate: Certificate,
) -> None:
    context = ssl.create_default_context(cafile=str(certificate.certificate))
    with Host("io.run with TLS", serve=("run",), tls=True).start(certificate) as server:
        address = ("127.0.0.1", server.port)
        for _ in range(20):
            with (
                socket.create_connection(address, timeout=5) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
            ):
                tls.sendall(OPEN % b"GET")
                sid = _sid(tls)
                post = (OPEN % b"POST").replace(b" HTTP", b"&sid=" + sid + b" HTTP")
                tls.sendall(post[:-2] + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
                answer = b""
                while data := tls.recv(65536):
                    answer += data
                assert answer.startswith(b"HTTP/1.1 413 ")
        server.stop()
        assert not server.has_traceback, server.report()


OPEN = b"%s /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def _sid(tls: ssl.SSLSocket) -> bytes:
    answer = b""
    while b"}" not in answer:
        answer += tls.recv(65536)
    return answer.partition(b'"sid":"')[2].partition(b'"')[0]


def _read(plain: socket.socket) -> bytes:
    try:
        return plain.recv(1024)
    except ConnectionError:
        return b""

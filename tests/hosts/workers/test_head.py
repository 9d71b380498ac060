"""Heads that are put together again are read as before."""

from __future__ import annotations

import pytest

from flask_realtime.hosts.workers.head import proxy_head, request_head

INFO = {
    "proxy_protocol": "TCP4",
    "client_addr": "1.2.3.4",
    "client_port": 5,
    "proxy_addr": "6.7.8.9",
    "proxy_port": 10,
}


def test_a_head_has_a_line_for_each_field() -> None:
    head = request_head("GET", "/a?b=%20", "HTTP/1.0", [("HOST", "x"), ("COOKIE", "é")])
    assert head == b"GET /a?b=%20 HTTP/1.0\r\nHOST: x\r\nCOOKIE: \xe9\r\n\r\n"


def test_what_a_proxy_said_is_said_again() -> None:
    assert proxy_head(INFO) == b"PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n"
    binary = proxy_head(INFO, binary=True)
    assert binary[:16] == b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
    assert binary[16:] == bytes([1, 2, 3, 4, 6, 7, 8, 9, 0, 5, 0, 10])


def test_addresses_of_ipv6_are_longer() -> None:
    info = INFO | {"proxy_protocol": "TCP6", "client_addr": "::1", "proxy_addr": "::2"}
    assert proxy_head(info, binary=True)[13:16] == b"\x21\x00\x24"


@pytest.mark.parametrize("info", [None, {}, {"proxy_protocol": "LOCAL"}])
def test_without_a_proxy_there_is_nothing_to_say(info: dict[str, str] | None) -> None:
    assert proxy_head(info) == b""

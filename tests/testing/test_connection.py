"""Packets of one session to the clients of its namespaces."""

from __future__ import annotations

import pytest

from flask_realtime.codec.parser import DefaultParser
from flask_realtime.parsers import MsgpackParser
from flask_realtime.server.server import BaseServer
from flask_realtime.testing.bench import Bench
from flask_realtime.testing.browser import Browser
from flask_realtime.testing.connection import Connection, parser_of
from flask_realtime.testing.member import Member


def connection() -> tuple[Connection, Bench]:
    server = BaseServer()
    bench = Bench.of(server)
    browser = Browser(server.handle, "/socket.io/", None, None, None, None)
    return Connection(bench, browser, "polling"), bench


def test_a_namespace_has_one_client() -> None:
    made, bench = connection()
    made.add(Member("/", bench))
    with pytest.raises(ValueError, match="has joined '/' already"):
        made.add(Member("/", bench))


def test_packets_go_to_the_client_of_their_namespace() -> None:
    made, bench = connection()
    main, chat = Member("/", bench), Member("/chat", bench)
    made.add(main)
    made.add(chat)
    for packet in (
        '42["one"]',
        '42/chat,["two"]',
        '42/gone,["three"]',
        '451-["four",{"_placeholder":true,"num":0}]',
        b"x",
    ):
        made.receive(packet)
    assert (main.received, chat.received) == ([("one",), ("four", b"x")], [("two",)])


def test_the_end_reaches_every_client_once() -> None:
    made, bench = connection()
    main = Member("/", bench)
    made.add(main)
    main.is_connected = True
    made.closed("transport close")
    assert (made.is_closed, main.is_connected, main.reason) == (True, False, "transport close")


def test_what_the_application_raises_is_an_error_of_the_test() -> None:
    made, bench = connection()
    error = OSError("no space left")
    made.failed(error)
    assert bench.take_errors() == [error]


def test_the_parser_is_that_of_the_server() -> None:
    own = DefaultParser()
    assert isinstance(parser_of(Bench(BaseServer())), DefaultParser)
    assert parser_of(Bench(BaseServer(parser=own))) is own
    assert isinstance(parser_of(Bench(BaseServer(parser=MsgpackParser))), MsgpackParser)

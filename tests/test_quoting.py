"""Log lines with what clients chose: one printable line each, of bounded length."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime import ConnectError
from flask_realtime.errors import PacketError
from flask_realtime.parsers import DefaultParser
from flask_realtime.quoting import LIMIT, named, quoted, shown
from tests.fakes import settle
from tests.log_lines import unquoted_log_arguments
from tests.old_clients import old_websocket
from tests.worlds import MakeServer, ServerWorld

PACKAGE = Path(__file__).resolve().parent.parent / "flask_realtime"
FORGED = "x\n2026-01-01 INFO - forged \x1b[31mred\x1b[0m\r\u2028\u202e\x85"
LONG = "long" * 20_000


def is_one_line(text: str) -> bool:
    return text.isprintable() and "\n" not in text and len(text) < 12 * LIMIT


@pytest.mark.parametrize("function", [shown, named, quoted])
@given(text=st.text() | st.text(min_size=LIMIT + 1, max_size=LIMIT + 9))
def test_any_text_becomes_one_line(function: Callable[[Any], str], text: str) -> None:
    assert is_one_line(function(text))
    function(text).encode()


@pytest.mark.parametrize("function", [shown, quoted])
@pytest.mark.parametrize("value", [{"sid": FORGED}, [FORGED], ValueError(FORGED), LONG, None, 1.5])
def test_any_value_becomes_one_line(function: Callable[[Any], str], value: Any) -> None:
    assert is_one_line(function(value))


def test_plain_text_is_left_as_it_is() -> None:
    assert shown('42["héllo wörld"]') == '42["héllo wörld"]'
    assert shown("a\x1b[1m\n") == "a\\x1b[1m\\n"
    assert shown("\ud83d") == "\\ud83d"
    assert [named(name) for name in ("/chat", "/a-b_c.1#x", "/é", "")] == [
        "/chat",
        "/a-b_c.1#x",
        "/é",
        "''",
    ]
    assert named("/a left /: gone") == "'/a left /: gone'"
    assert named("/it's") == '"/it\'s"'
    assert (quoted("boom"), quoted(7), quoted({"a": "b"})) == ("'boom'", "7", "{'a': 'b'}")


def test_long_text_is_cut_and_its_length_is_told() -> None:
    assert shown(LONG) == LONG[:LIMIT] + "… (80000 characters)"
    assert named(LONG) == quoted(LONG) == f"'{LONG[:LIMIT]}'… (80000 characters)"


# --- a client that chooses everything ------------------------------------------


class StrangeParser(DefaultParser):
    """Its errors hold what the client has sent."""

    def decoder(self, max_size: int) -> Any:
        return StrangeDecoder(super().decoder(max_size))


class StrangeDecoder:
    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    def add(self, data: Any) -> Any:
        if data[1:2] == "?":
            raise PacketError(data)
        return self._decoder.add(data)


def allow(environ: Any) -> bool:
    if environ["HTTP_X_WORD"]:
        raise ConnectError(environ["HTTP_X_WORD"])
    return True


def install(server: ServerWorld, name: str) -> None:
    """Handlers that refuse and fail with what the client sends."""

    def middleware(socket: Any) -> None:
        if "word" in socket.handshake.auth:
            raise ConnectError(socket.handshake.auth["word"])

    def connected(socket: Any) -> None:
        socket.on_any_outgoing(lambda *args: 1 / 0)
        socket.join(name)

    def fails(socket: Any, *args: Any) -> None:
        socket.emit("anything")
        raise ZeroDivisionError

    def fallible(namespace: Any) -> None:
        namespace.use(middleware)
        namespace.on("connection", connected)
        namespace.event(name, fails)

    fallible(server.io.sockets)
    fallible(server.io.of(re.compile(".*", re.DOTALL)))


def conversations(name: str) -> list[list[str]]:
    """What a client sends on a connection each."""
    text, namespace = json.dumps(name), f"/{name}"
    return [
        ["40", f"40{namespace},", f"42[{text}]", f"42{namespace},[{text}]", f"41{namespace},"],
        ["40", f"40{namespace},", f"40{namespace},"],
        [f'40{namespace},{{"word":{text}}}', f"40{namespace},"],
        [f"42{namespace},[1]"],
        [f"43{namespace},7[1]"],
        [f"41{namespace},"],
        [f"42?{name}"],
        [f"4{name}"],
        [name],
    ]


@pytest.mark.parametrize("name", [FORGED, LONG], ids=["forged", "long"])
@pytest.mark.parametrize("protocol", [3, 4])
def test_nothing_that_a_client_chooses_makes_a_line_of_its_own(
    make_server: MakeServer, caplog: pytest.LogCaptureFixture, name: str, protocol: int
) -> None:
    server = make_server(
        allow_eio3=True,
        cors=lambda origin, environ: 1 / 0,
        allow_request=allow,
        generate_id=lambda environ: f"{name}{environ['REMOTE_PORT']}",
        cleanup_empty_child_namespaces=True,
        parser=StrangeParser(),
    )
    install(server, name)
    network, plain = server.network, {"X-Word": ""}
    with caplog.at_level(logging.DEBUG, "flask_realtime"):
        for headers in ({"X-Word": name}, plain | {"Origin": name}, plain | {"Origin": "null"}):
            network.request("GET", headers=headers)
        network.request(name, headers=plain)
        for query in (f"transport={name}", f"transport=polling&sid={name}"):
            network.request("GET", f"EIO=4&{query}", headers=plain)
        for key in ("Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version"):
            network.dial(headers={**plain, key: name}).ended()
        for port, packets in enumerate(conversations(name)):
            dial = network.websocket if protocol == 4 else partial(old_websocket, network)
            line = dial(headers=plain, wsgi={"REMOTE_ADDR": name, "REMOTE_PORT": port})
            line.send(*packets)
            settle()
            line.reset() if port % 2 else line.leave()
            line.ended()
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("flask_")]
    assert len(lines) > 60
    assert [line[:300] for line in lines if not is_one_line(line)] == []
    assert not any("\x1b" in line or LONG[: 2 * LIMIT] in line for line in lines)


# --- every log call of the package ----------------------------------------------


def test_every_log_call_quotes_its_text() -> None:
    found = unquoted_log_arguments(PACKAGE)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("logger.info('%s %d', named(a), b)", []),
        ("a = named(b)\nlogger.info('%s', a)", []),
        ("a, b = named(c), shown(d)\nlogger.info('%s %s', a, b)", []),
        ("try: f()\nexcept OSError as e: logger.info('%s', e)", []),
        ("logger.info('%s', 'x' if a else named(b))", []),
        ("logger.info('%s', name)", [1]),
        ("logger.debug('%r', name)", [1]),
        ("logger.info('%.1f %s', 1, self.name)", [1]),
        ("logger.info('%s', 'x' if a else b)", [1]),
        ("logger.info(f'{name}')", [1]),
        ("try: f()\nexcept ValueError as e: logger.info('%s', e)", [2]),
    ],
)
def test_the_check_finds_text_as_it_stands(tmp_path: Path, source: str, lines: list[int]) -> None:
    package = tmp_path / "flask_realtime"
    package.mkdir()
    (package / "module.py").write_text(source)
    found = [line.split(" ")[0] for line in unquoted_log_arguments(package)]
    assert found == [f"flask_realtime/module.py:{line}" for line in lines]

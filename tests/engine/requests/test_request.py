"""The value that is made of a request: its query, and what the engine reads of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.engine.requests.host import HANDLER_KEY
from flask_realtime.engine.requests.request import REQUEST_KEY, Request, parse_query
from flask_realtime.engine.requests.verify import verify_transport
from flask_realtime.errors import BadRequest, UnknownTransport
from tests.fakes import UPGRADE_HEADERS, Answer, FakeHost, request, value_of
from tests.worlds import EngineWorld

# --- the query ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", {}),
        ("EIO=4&transport=polling", {"EIO": "4", "transport": "polling"}),
        ("sid=a&sid=b", {"sid": "b"}),
        ("transport=polling&transport=websocket", {"transport": "websocket"}),
        ("sid=&t", {"sid": "", "t": ""}),
        ("a=%E2%82%AC+b", {"a": "\u20ac b"}),
        ("a=%FF", {"a": "\ufffd"}),
        ("a[]=1&a[]=2", {"a[]": "2"}),
    ],
)
def test_the_last_of_two_parameters_counts(text: str, query: dict[str, str]) -> None:
    assert parse_query(text) == query


def test_a_request_without_a_query_has_no_parameters() -> None:
    assert value_of({}).query == {}


@pytest.mark.parametrize("count", [65, 100_000])
def test_a_flood_of_parameters_is_refused_and_the_limit_is_named(count: int) -> None:
    """CVE-2023-31125, the repeated rows."""
    text = "transport=polling&EIO=4" + "&a=1" * (count - 2)
    with pytest.raises(BadRequest) as caught:
        parse_query(text)
    assert caught.value.message == "More than 64 query parameters"
    assert caught.value.context == {"name": "TOO_MANY_PARAMETERS", "limit": 64}
    assert caught.value.status == 400


def test_64_parameters_are_read() -> None:
    query = parse_query("&".join(f"p{n}=1" for n in range(64)))
    assert len(query) == 64


def test_a_value_of_64_kilobytes_is_only_a_value() -> None:
    """CVE-2023-31125."""
    long = "x" * 65_536
    query = parse_query(f"transport={long}&sid={long}")
    assert query == {"transport": long, "sid": long}
    with pytest.raises(UnknownTransport) as caught:
        verify_transport(value_of({"QUERY_STRING": f"transport={long}"}), frozenset({"polling"}))
    assert caught.value.context == {"transport": long}


characters = st.sampled_from("ab=&%+;4 1") | st.characters(max_codepoint=255)


@given(st.text(characters, max_size=40))
def test_any_query_is_read_as_the_standard_library_does(text: str) -> None:
    expected = dict(parse_qsl(text, keep_blank_values=True))
    assert parse_query(text) == expected


# --- the value ---------------------------------------------------------------


def test_what_the_engine_reads_is_read_once() -> None:
    environ = request("GET", "EIO=4&transport=polling&sid=abc", headers={"Origin": "https://a"})
    found = value_of(environ)
    assert (found.method, found.sid, found.transport) == ("GET", "abc", "polling")
    assert (found.origin, found.is_upgrade, found.problem) == ("https://a", False, None)
    upgrade = value_of(request(query="EIO=4&transport=websocket", headers=UPGRADE_HEADERS))
    assert (upgrade.sid, upgrade.origin, upgrade.is_upgrade) == (None, None, True)


def test_a_query_that_is_not_read_is_a_problem_and_has_no_parameters() -> None:
    found = value_of({"QUERY_STRING": "sid=a" + "&b=1" * 64})
    assert (found.query, found.sid, found.transport) == ({}, None, None)
    with pytest.raises(BadRequest, match="More than 64 query parameters"):
        verify_transport(found, frozenset({"polling"}))


class CountingHost(FakeHost):
    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def find(self, environ: Mapping[str, Any], start_response: Any) -> Any:
        self.asked += 1
        return super().find(environ, start_response)


@pytest.mark.parametrize("has_socket", [True, False])
def test_the_socket_is_found_on_demand_and_once(has_socket: bool) -> None:
    host = CountingHost()
    environ = request(wsgi={"tests.connection": object()} if has_socket else {})
    found = Request(environ, Answer().start_response, host)
    assert host.asked == 0
    first = found.host_socket
    assert found.host_socket is first
    assert (first is not None) is has_socket
    assert host.asked == 1


@pytest.mark.parametrize("sends_promptly", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_poll_without_a_wait_is_for_the_host_alone(
    engine: EngineWorld, method: str, sends_promptly: bool
) -> None:
    """Where it has to set TCP_NODELAY, which the embedded server has done."""
    host = CountingHost()
    engine.host.find = host.find  # type: ignore[method-assign]
    line = engine.network.polling()
    engine.handler.last[0].send("there")
    host.asked = 0
    more = {HANDLER_KEY: object()} if sends_promptly else {}
    assert line.request(method, body=b"4a" if method == "POST" else b"", wsgi=more).status == 200
    assert host.asked == (0 if sends_promptly else 1)


TEXTS = st.text("ab&=%+E4\u00e9", max_size=6)
QUERIES = st.tuples(
    st.sampled_from(["EIO=4", "EIO=3", ""]),
    st.sampled_from(["&transport=", "&sid=", "&"]),
    TEXTS,
    st.sampled_from(["&sid=", "&transport=", "&sid"]),
    TEXTS,
    st.sampled_from(["", "&t=", "&", "&sid=2"]),
    TEXTS,
).map("".join)


@given(QUERIES)
def test_the_usual_query_is_read_as_all_others_are(text: str) -> None:
    found = value_of({"QUERY_STRING": text}, Answer().start_response)
    names = (found.sid, found.transport, found.problem)
    query = parse_query(text)
    assert names == (query.get("sid"), query.get("transport"), None)
    assert found.query == query


def test_a_value_belongs_to_one_call() -> None:
    environ, start = request(), Answer().start_response
    found = value_of(environ, start)
    assert found.is_of(found.environ, start)
    assert not found.is_of(dict(found.environ), start)
    assert not found.is_of(found.environ, Answer().start_response)


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_the_engine_takes_a_value_that_was_made_for_this_call(
    engine: EngineWorld, is_wrapped: bool
) -> None:
    line = engine.network.polling()
    made: list[Request] = []

    def app(environ: Any, start_response: Any) -> Any:
        made.append(engine.engine.request(environ, start_response))
        environ[REQUEST_KEY] = made[-1]

        def wrapped(*args: Any) -> Any:
            return start_response(*args)

        return engine.engine.handle(environ, wrapped if is_wrapped else start_response)

    engine.network.app = app
    line.send("4a")
    assert engine.handler.last[1].messages == ["a"]
    assert REQUEST_KEY not in made[0].environ

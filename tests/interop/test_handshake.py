"""Opening a session: what the server tells, and what it refuses and how."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import websocket

from tests.interop.running import Servers
from tests.interop.wire import PATH, Wire, handshake, receive
from tests.processes import ServerProcess

MESSAGES = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    4: "Forbidden",
    5: "Unsupported protocol version",
}


def assert_refused(answer: requests.Response, code: int) -> None:
    assert answer.status_code == (403 if code == 4 else 400), answer.text
    assert answer.json() == {"code": code, "message": MESSAGES[code]}
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"


def refusal_of_websocket(wire: Wire, sid: str | None = None, **more: Any) -> tuple[int, Any]:
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        wire.dial(sid, **more)
    body = caught.value.resp_body
    return caught.value.status_code, body


def test_polling_opens_with_exactly_the_documented_keys(wire: Wire) -> None:
    answer = wire.get()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.headers["Cache-Control"] == "no-store"
    told = handshake(answer.text)
    assert sorted(told) == ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]
    assert len(told.pop("sid")) == 20
    assert told == {
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 20000,
        "maxPayload": 1_000_000,
    }


def test_websocket_opens_with_the_same_keys_and_no_upgrades(wire: Wire) -> None:
    _, told = wire.open_websocket()
    assert sorted(told) == ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]
    assert told["upgrades"] == []


def test_fractions_of_a_second_are_advertised_in_milliseconds(servers: Servers, tag: str) -> None:
    fast = servers.get(ping_interval=0.3, ping_timeout=0.2)
    with Wire(fast, tag) as wire:
        told = wire.open()
    assert (told["pingInterval"], told["pingTimeout"]) == (300, 200)


def test_every_session_has_an_id_of_its_own(wire: Wire) -> None:
    assert len({wire.open()["sid"] for _ in range(20)}) == 20


def test_the_path_works_without_a_trailing_part_only(wire: Wire) -> None:
    query = wire.query("polling", None)
    url = wire.server.url
    assert requests.get(f"{url}{PATH}?{query}", timeout=5).status_code == 200
    assert requests.get(f"{url}/socket.iox/?{query}", timeout=5).status_code == 404
    assert requests.get(f"{url}/other/?{query}", timeout=5).status_code == 404


@pytest.mark.parametrize("transport", ["abc", "webtransport", "", "__class__", "constructor"])
def test_an_unknown_transport_is_refused(wire: Wire, transport: str) -> None:
    assert_refused(wire.get(transport=transport), 0)
    assert wire.saw("connection_error")["code"] == 0
    if transport:
        assert wire.saw("connection_error")["context"] == {"transport": transport}


def test_a_missing_transport_is_refused(wire: Wire) -> None:
    assert_refused(wire.get(transport=None), 0)


def test_a_missing_version_and_a_wrong_transport_are_refused_for_the_transport(
    wire: Wire,
) -> None:
    assert_refused(wire.get(transport="abc", EIO=None), 0)


@pytest.mark.parametrize("sid", ["abc", "x" * 20, "__init__", "x" * 5000])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_session_is_refused(wire: Wire, method: str, sid: str) -> None:
    assert_refused(wire.request(method, sid), 1)
    assert wire.saw("connection_error")["context"] == {"sid": sid}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_handshake_by_another_method_is_refused(wire: Wire, method: str) -> None:
    assert_refused(wire.request(method, EIO="3"), 2)
    assert wire.saw("connection_error")["context"] == {"method": method}


def test_websocket_without_an_upgrade_is_refused(wire: Wire) -> None:
    assert_refused(wire.get(transport="websocket"), 3)
    context = wire.saw("connection_error")["context"]
    assert context == {"name": "TRANSPORT_HANDSHAKE_ERROR"}


def test_another_transport_for_a_session_is_refused(wire: Wire) -> None:
    sid = wire.enter()
    assert_refused(wire.get(sid, transport="websocket"), 3)
    assert wire.saw("connection_error")["context"] == {
        "name": "TRANSPORT_MISMATCH",
        "transport": "websocket",
        "previousTransport": "polling",
    }
    assert wire.post(sid, "3").text == "ok"


def test_an_origin_with_illegal_characters_is_refused(wire: Wire) -> None:
    connection = wire.connection()
    connection.putrequest("GET", f"{PATH}?{wire.query('polling', None)}")
    connection.putheader("Origin", b"http://a\x01b")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    answer.read()
    connection.close()


@pytest.mark.parametrize("version", ["3", "5", "abc", "", None])
def test_another_protocol_version_is_refused(wire: Wire, version: str | None) -> None:
    assert_refused(wire.get(EIO=version), 5)
    assert wire.saw("connection_error")["context"] == {"protocol": 3}


def test_the_last_of_several_equal_parameters_counts(wire: Wire) -> None:
    url = f"{wire.server.url}{PATH}?EIO=3&transport=abc&EIO=4&transport=polling"
    assert requests.get(url, timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "code"),
    [({"transport": "abc"}, 0), ({"sid": "abc"}, 1), ({"EIO": "3"}, 5)],
)
def test_websocket_is_refused_before_the_101(
    wire: Wire, parameters: dict[str, str], code: int
) -> None:
    status, body = refusal_of_websocket(wire, **parameters)
    assert status == 400
    assert MESSAGES[code].encode() in body
    assert wire.saw("connection_error")["code"] == code


def test_a_request_that_is_not_allowed_is_refused(servers: Servers, tag: str) -> None:
    with Wire(servers.get(allow_request="without X-Refuse"), tag) as wire:
        assert_refused(wire.get(headers={"X-Refuse": "1"}), 4)
        status, _ = refusal_of_websocket(wire, headers={"X-Refuse": "1"})
        assert status == 403
        sid = wire.enter()
        assert wire.post(sid, "3", headers={"X-Refuse": "1"}).text == "ok"


def test_a_disabled_transport_is_refused(servers: Servers, tag: str) -> None:
    with Wire(servers.get(transports=["websocket"]), tag) as wire:
        assert_refused(wire.get(), 0)
        assert wire.open_websocket()[1]["upgrades"] == []


def test_upgrades_can_be_switched_off(servers: Servers, tag: str) -> None:
    with Wire(servers.get(allow_upgrades=False), tag) as wire:
        assert wire.open()["upgrades"] == []


def test_the_cookie_comes_with_the_polling_handshake_only(servers: Servers, tag: str) -> None:
    with Wire(servers.get(cookie=True), tag) as wire:
        answer = wire.get()
        sid = handshake(answer.text)["sid"]
        value, *attributes = answer.headers["Set-Cookie"].split("; ")
        assert value == f"io={sid}"
        assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Lax"]
        assert "Set-Cookie" not in wire.post(sid, "3").headers


def test_headers_are_offered_to_the_application(wire: Wire) -> None:
    answer = wire.get()
    assert (answer.headers["X-First"], answer.headers["X-Each"]) == ("1", "1")
    sid = handshake(answer.text)["sid"]
    later = wire.post(sid, "3")
    assert "X-First" not in later.headers
    assert later.headers["X-Each"] == "1"
    # From the server's memory: what it prints arrives a moment later.
    seen = f"{wire.server.url}/log?kind=initial_headers&tag={wire.tag}"
    assert len(requests.get(seen, timeout=5).json()) == 1
    ws = wire.dial()
    assert ws.headers is not None
    assert ws.headers["x-first"] == "1"


class TestOrigin:
    """Same-origin is the default, for both transports."""

    @pytest.fixture
    def host(self, server: ServerProcess) -> str:
        return f"127.0.0.1:{server.port}"

    @pytest.mark.parametrize(
        "origin",
        [
            "http://evil.example",
            "http://127.0.0.1",
            "http://{host}.evil.example",
            "http://evil.example/{host}",
            "http://evil.example@{host}.example",
            "null",
            "https://evil.example:443",
        ],
    )
    def test_a_foreign_origin_is_refused(self, wire: Wire, host: str, origin: str) -> None:
        foreign = origin.replace("{host}", host)
        assert_refused(wire.get(headers={"Origin": foreign}), 4)
        status, _ = refusal_of_websocket(wire, origin=foreign)
        assert status == 403

    def test_a_forwarded_host_is_not_believed(self, wire: Wire) -> None:
        headers = {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"}
        assert_refused(wire.get(headers=headers), 4)

    def test_the_own_origin_is_welcome(self, wire: Wire, host: str) -> None:
        assert wire.get(headers={"Origin": f"http://{host}"}).status_code == 200
        ws = wire.dial(origin=f"http://{host}")
        assert handshake(receive(ws))["sid"]

    def test_an_origin_can_be_allowed(self, servers: Servers, tag: str) -> None:
        friend = "http://friend.example"
        with Wire(servers.get(cors={"origin": [friend], "credentials": True}), tag) as wire:
            answer = wire.get(headers={"Origin": friend})
            assert answer.status_code == 200
            assert answer.headers["Access-Control-Allow-Origin"] == friend
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            assert "Origin" in answer.headers["Vary"]
            assert handshake(receive(wire.dial(origin=friend)))["sid"]
            refused = wire.get(transport="abc", headers={"Origin": friend})
            assert refused.headers["Access-Control-Allow-Origin"] == friend
            preflight = wire.request("OPTIONS", headers={"Origin": friend})
            assert preflight.status_code == 204

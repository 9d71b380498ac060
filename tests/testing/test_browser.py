"""Requests with headers and cookies, and whose cookies they are."""

from __future__ import annotations

from typing import Any

import pytest
import werkzeug.test
from flask import Flask, Response, request
from gevent.event import AsyncResult

from flask_realtime.testing.browser import Browser, Exchange


def application() -> Flask:
    app = Flask("app")

    @app.route("/socket.io/", methods=["GET", "POST"])
    def seen() -> Response:
        found: dict[str, Any] = {
            "args": request.args, "cookies": request.cookies, "body": request.get_data(as_text=True)
        }  # fmt: skip
        found |= {"url": request.base_url, "peer": request.remote_addr, "type": request.mimetype}
        answer = Response(app.json.dumps(found), mimetype="application/json")
        answer.set_cookie("server", "yes")
        return answer

    @app.get("/defect/")
    def defect() -> str:
        raise KeyError("a defect")

    app.testing = True
    return app


def browser(app: Any = None, path: str = "/socket.io/", **given: Any) -> Browser:
    given = {"query": None, "headers": None, "cookies": None, "flask_test_client": None, **given}
    return Browser(app or application(), path, **given)


def seen(browser: Browser, method: str = "GET", **more: Any) -> Any:
    answer = browser.call(browser.request(method, {"EIO": "4"}, **more))
    assert answer.status_code == 200
    return answer.json


def test_a_request_has_what_the_client_and_the_protocol_add() -> None:
    found = seen(browser(query={"a": "b&c"}), "POST", body=b"4hello")
    assert found["args"] == {"a": "b&c", "EIO": "4"}
    assert (found["body"], found["type"]) == ("4hello", "text/plain")
    assert (found["url"], found["peer"]) == ("http://localhost/socket.io/", "127.0.0.1")


def test_cookies_of_the_server_are_kept() -> None:
    client = browser(cookies={"mine": "1"})
    assert seen(client)["cookies"] == {"mine": "1"}
    assert seen(client)["cookies"] == {"mine": "1", "server": "yes"}


def test_a_header_with_cookies_is_left_alone() -> None:
    client = browser(headers={"cookie": "mine=1"})
    assert [seen(client)["cookies"], seen(client)["cookies"]] == [{"mine": "1"}] * 2


def test_a_server_name_is_the_host_of_requests_and_cookies() -> None:
    app = application()
    app.config.update(SERVER_NAME="chat.example:5000", PREFERRED_URL_SCHEME="https")
    found = seen(browser(app, cookies={"mine": "1"}))
    assert found["url"] == "https://chat.example:5000/socket.io/"
    assert found["cookies"] == {"mine": "1"}


def test_any_wsgi_application_can_be_called() -> None:
    found = seen(browser(application().wsgi_app, cookies={"mine": "1"}))
    assert found["cookies"] == {"mine": "1"}


def test_the_cookies_of_the_flask_client_are_shared_both_ways() -> None:
    app = application()
    flask_client = app.test_client()
    flask_client.set_cookie("login", "bob")
    assert seen(browser(app, flask_test_client=flask_client))["cookies"] == {"login": "bob"}
    cookie = flask_client.get_cookie("server")
    assert cookie is not None
    assert cookie.value == "yes"


@pytest.mark.parametrize(
    "given",
    [
        {"cookies": {"a": "1"}, "headers": {"Cookie": "b=2"}},
        {"cookies": {}, "flask_test_client": werkzeug.test.Client(application())},
        {"headers": {"COOKIE": "b=2"}, "flask_test_client": werkzeug.test.Client(application())},
    ],
)
def test_cookies_come_from_one_place(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cookies come from"):
        browser(**given)


def test_a_flask_client_of_another_application_is_refused() -> None:
    with pytest.raises(ValueError, match="belongs to another application"):
        browser(flask_test_client=application().test_client())


@pytest.mark.parametrize("path", ["/socket.io/", "/defect/"])
def test_an_exchange_tells_of_its_end(path: str) -> None:
    client = browser(path=path)
    ended: AsyncResult[Any] = AsyncResult()
    exchange = Exchange(client, client.request("GET", {}), ended.set)
    assert not exchange.is_done
    error = ended.get(timeout=5)
    assert exchange.is_done
    if error is None:
        assert exchange.answer().status_code == 200
    else:
        with pytest.raises(KeyError, match="a defect"):
            exchange.answer()

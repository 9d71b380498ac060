"""Origins: which are the same, which are allowed, and what the headers say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.engine.requests.cors import CorsPolicy, is_same_origin
from flask_realtime.engine.requests.request import Request
from tests.fakes import value_of

HOST = "good.com"
ORIGIN = "https://other.com"


def asked(origin: str | None = ORIGIN, **more: str) -> Request:
    environ = {"HTTP_HOST": HOST} | more
    return value_of(environ if origin is None else environ | {"HTTP_ORIGIN": origin})


# --- same origin -------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://good.com", "good.com"),
        ("https://good.com", "good.com"),
        ("http://good.com:80", "good.com"),
        ("https://good.com:443", "good.com"),
        ("http://good.com", "good.com:80"),
        ("https://good.com", "good.com:443"),
        ("http://good.com:5000", "good.com:5000"),
        ("HTTP://GOOD.COM", "good.com"),
        ("http://good.com", "Good.COM"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000"),
        ("http://[::1]:5000", "[::1]:5000"),
        ("http://[::1]", "[::1]:80"),
        ("http://[::1]:80", "[::1]"),
        # Of clients that name the URL of the WebSocket.
        ("ws://good.com", "good.com"),
        ("wss://good.com", "good.com"),
        ("ws://good.com:80", "good.com"),
        ("wss://good.com:443", "good.com"),
        ("wss://good.com", "good.com:443"),
        ("ws://127.0.0.1:5000", "127.0.0.1:5000"),
        ("WSS://GOOD.COM", "good.com"),
    ],
)
def test_the_host_of_the_request_is_the_same_origin(origin: str, host: str) -> None:
    assert is_same_origin(asked(origin, HTTP_HOST=host))


#: Origins that look like https://good.com or http://good.com:80, or are none at all.
FOREIGN = {
    "another host": "https://evil.com",
    "null": "null",
    "empty": "",
    "a suffix": "https://good.com.evil",
    "a suffix with a port": "https://good.com.evil:443",
    "a prefix": "https://evilgood.com",
    "a subdomain": "https://www.good.com",
    "a parent": "https://com",
    "a final dot": "https://good.com.",
    "another port": "https://good.com:8443",
    "the port of the other scheme": "http://good.com:443",
    "port 0": "http://good.com:0",
    "a port out of range": "http://good.com:65536",
    "a port that is none": "http://good.com:http",
    "no port after the colon": "http://good.com:",
    "the host as a user": "https://good.com@evil.com",
    "a user": "https://evil.com@good.com",
    "a user and a password": "https://good.com:443@evil.com",
    "a path": "https://good.com/",
    "the host as a path": "https://evil.com/good.com",
    "the host as a query": "https://evil.com?good.com",
    "a query": "https://good.com?evil.com",
    "the host as a fragment": "https://evil.com#good.com",
    "a fragment": "https://good.com#evil.com",
    "a tab": "https://good\t.com",
    "a backslash": "https://evil.com\\good.com",
    "another scheme": "ftp://good.com",
    "a file": "file://good.com",
    "a WebSocket elsewhere": "wss://evil.com",
    "a WebSocket of another port": "ws://good.com:443",
    "a WebSocket with a path": "wss://good.com/socket.io/",
    "a WebSocket with a suffix": "wss://good.com.evil",
    "an extension": "chrome-extension://good.com",
    "no scheme": "good.com",
    "only slashes": "//good.com",
    "one slash": "https:/good.com",
    "no host": "https://",
    "an open bracket": "https://[good.com",
    "brackets": "https://[good.com]",
    "two origins": "https://good.com https://evil.com",
    "two origins with a comma": "https://good.com,https://evil.com",
    "letters of another script": "https://g\u043e\u043ed.com",
}
FOREIGNERS = [pytest.param(origin, id=name) for name, origin in FOREIGN.items()]


@pytest.mark.parametrize("origin", FOREIGNERS)
def test_anything_else_is_a_foreign_origin(origin: str) -> None:
    """CVE-2019-13611: pages of other sites opened connections with the user's cookies."""
    assert not is_same_origin(asked(origin))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        pytest.param("https://good.com", "good.com:80", id="the port of http"),
        pytest.param("http://good.com", "good.com:5000", id="a port in the host only"),
        pytest.param("http://good.com:5000", "good.com", id="a port in the origin only"),
        pytest.param("http://good.com:80", "good.com:5000", id="two ports"),
        pytest.param("http://good.com", "", id="an empty host"),
        pytest.param("http://", "", id="nothing and nothing"),
        pytest.param("http://::1", "[::1]", id="an address without brackets"),
    ],
)
def test_ports_count(origin: str, host: str) -> None:
    assert not is_same_origin(asked(origin, HTTP_HOST=host))


def test_a_request_without_a_host_has_no_same_origin() -> None:
    environ = {"SERVER_NAME": HOST, "SERVER_PORT": "80", "HTTP_ORIGIN": "http://good.com"}
    assert not is_same_origin(value_of(environ))


@pytest.mark.parametrize(
    "header", ["HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED", "HTTP_X_FORWARDED_SERVER", "HTTP_X_HOST"]
)
def test_a_forwarded_host_does_not_make_an_origin_the_same(header: str) -> None:
    """engineio believes X-Forwarded-Host, which any client can send."""
    assert not is_same_origin(asked("https://evil.com", **{header: "evil.com"}))


@given(st.text(st.characters(max_codepoint=255)), st.text(st.characters(max_codepoint=255)))
def test_no_header_whatever_raises(origin: str, host: str) -> None:
    assert is_same_origin(asked(origin, HTTP_HOST=host)) in (True, False)
    assert CorsPolicy(["https://a"]).allows(asked(origin, HTTP_HOST=host)) is False


# --- policies ----------------------------------------------------------------

PATTERN = re.compile(r"https://([a-z]+\.)?other\.com")


def only_other(origin: str, environ: Any) -> bool:
    return origin == ORIGIN and environ["HTTP_HOST"] == HOST


POLICIES = [
    pytest.param(ORIGIN, id="a string"),
    pytest.param([ORIGIN, "https://third.com"], id="a list"),
    pytest.param({ORIGIN}, id="a set"),
    pytest.param(PATTERN, id="a pattern"),
    pytest.param(["https://third.com", PATTERN], id="a list with a pattern"),
    pytest.param(only_other, id="a function"),
    pytest.param({"origin": [ORIGIN]}, id="a mapping"),
]
everyone = pytest.mark.parametrize(
    "option", ["*", True, {}, {"origin": "*"}, {"origin": True}], ids=str
)
each_policy = pytest.mark.parametrize("option", POLICIES)


@each_policy
def test_a_policy_allows_what_it_names(option: Any) -> None:
    policy = CorsPolicy(option)
    assert policy.allows(asked())
    assert policy.headers(asked())["Access-Control-Allow-Origin"] == ORIGIN


ALIKE = {name: origin.replace("good.com", "other.com") for name, origin in FOREIGN.items()}
OTHERS = [
    # The pattern above is for subdomains as well.
    pytest.param(origin, id=name)
    for name, origin in ALIKE.items()
    if name != "a subdomain"
]


@each_policy
@pytest.mark.parametrize("origin", OTHERS)
def test_a_policy_allows_nothing_that_looks_alike(option: Any, origin: str) -> None:
    """CVE-2019-13611, the tricks with suffixes: patterns match as a whole."""
    policy = CorsPolicy(option)
    assert not policy.allows(asked(origin))
    assert "Access-Control-Allow-Origin" not in policy.headers(asked(origin))


@everyone
def test_a_wildcard_allows_everyone_without_naming_anyone(option: Any) -> None:
    policy = CorsPolicy(option)
    assert policy.allows(asked("null"))
    headers = policy.headers(asked())
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize(
    "option", [False, [], (), {"origin": False}, {"origin": None}, [None]], ids=str
)
def test_an_empty_policy_allows_nobody(option: Any) -> None:
    policy = CorsPolicy(option)
    assert not policy.allows(asked())
    assert "Access-Control-Allow-Origin" not in policy.headers(asked())


@pytest.mark.parametrize("origin", ["*", True], ids=str)
def test_credentials_never_go_with_a_wildcard(origin: Any) -> None:
    """engineio sends both and reflects every origin."""
    with pytest.raises(ValueError, match="credentials"):
        CorsPolicy({"origin": origin, "credentials": True})
    with pytest.raises(ValueError, match="credentials"):
        CorsPolicy({"credentials": True})


def test_the_null_origin_is_allowed_only_by_name() -> None:
    assert CorsPolicy(["null"]).allows(asked("null"))
    assert not CorsPolicy(["https://none", "https://null"]).allows(asked("null"))


def test_an_unknown_key_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match=r"cors: .*'orgin'.*'origin'"):
        CorsPolicy({"orgin": ORIGIN})


# --- headers -----------------------------------------------------------------


def test_an_answer_that_depends_on_the_origin_says_so() -> None:
    for origin in (ORIGIN, "https://evil.com", None):
        assert CorsPolicy([ORIGIN]).headers(asked(origin))["Vary"] == "Origin"
    assert "Vary" not in CorsPolicy("*").headers(asked())


def test_a_request_without_an_origin_is_not_told_one() -> None:
    assert "Access-Control-Allow-Origin" not in CorsPolicy(PATTERN).headers(asked(None))


@pytest.mark.parametrize("given_value", [True, False, None], ids=repr)
def test_credentials_are_allowed_only_by_true_itself(given_value: Any) -> None:
    headers = CorsPolicy({"origin": [ORIGIN], "credentials": given_value}).headers(asked())
    expected = "true" if given_value is True else None
    assert headers.get("Access-Control-Allow-Credentials") == expected


@pytest.mark.parametrize("names", ["X-One,X-Two", ["X-One", "X-Two"]], ids=["text", "list"])
@pytest.mark.parametrize("key", ["exposed_headers", "exposedHeaders"])
def test_headers_are_exposed(key: str, names: Any) -> None:
    headers = CorsPolicy({"origin": ORIGIN, key: names}).headers(asked())
    assert headers["Access-Control-Expose-Headers"] == "X-One,X-Two"


def test_a_preflight_is_answered_like_the_cors_package_does() -> None:
    preflight = asked(HTTP_ACCESS_CONTROL_REQUEST_HEADERS="x-custom,content-type")
    headers = CorsPolicy([ORIGIN]).preflight_headers(preflight)
    assert dict(headers) == {
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
        "Access-Control-Allow-Headers": "x-custom,content-type",
        "Vary": "Origin",
    }
    assert headers.getlist("Vary") == ["Origin", "Access-Control-Request-Headers"]


def test_a_preflight_without_wishes_is_granted_none() -> None:
    assert "Access-Control-Allow-Headers" not in CorsPolicy("*").preflight_headers(asked())


@pytest.mark.parametrize("key", ["allowed_headers", "allowedHeaders", "headers"])
def test_a_preflight_names_what_was_configured(key: str) -> None:
    option = {"origin": ORIGIN, key: ["X-Mine"], "methods": ["GET", "POST"], "max_age": 600}
    preflight = asked(HTTP_ACCESS_CONTROL_REQUEST_HEADERS="x-theirs")
    headers = CorsPolicy(option).preflight_headers(preflight)
    assert headers["Access-Control-Allow-Headers"] == "X-Mine"
    assert headers["Access-Control-Allow-Methods"] == "GET,POST"
    assert headers["Access-Control-Max-Age"] == "600"
    assert headers.getlist("Vary") == ["Origin"]


def test_a_preflight_may_be_kept_for_no_time_at_all() -> None:
    option = {"origin": ORIGIN, "maxAge": 0}
    assert CorsPolicy(option).preflight_headers(asked())["Access-Control-Max-Age"] == "0"


def test_a_foreign_preflight_is_not_told_that_it_may() -> None:
    headers = CorsPolicy([ORIGIN]).preflight_headers(asked("https://evil.com"))
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"credentials": "yes", "origin": ORIGIN}, "credentials must be True or False"),
        ({"credentials": 1, "origin": ORIGIN}, "credentials must be True or False"),
        ({"max_age": "600"}, "max_age must be whole seconds"),
        ({"max_age": 1.5}, "max_age must be whole seconds"),
        ({"methods": 5}, "methods must be a text or a list of texts"),
        ({"methods": ["GET", 5]}, "methods must be a text or a list of texts"),
        ({"allowed_headers": 5}, "allowed_headers must be a text or a list of texts"),
        (5, "an origin must be callable, not int"),
        ([b"https://good.com"], "an origin must be callable, not bytes"),
    ],
    ids=repr,
)
def test_a_setting_of_another_type_is_refused(option: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        CorsPolicy(option)


@pytest.mark.parametrize(
    "option",
    [
        {"exposed_headers": "a\r\nSet-Cookie: b"},
        {"methods": ["GET\n"]},
        "https://good.com\n",
        ["*"],
        {"origin": ["*"], "credentials": True},
        {"origin": [ORIGIN, ["*"]]},
    ],
    ids=repr,
)
def test_a_setting_that_cannot_work_is_refused(option: Any) -> None:
    with pytest.raises(ValueError, match="cors: "):
        CorsPolicy(option)

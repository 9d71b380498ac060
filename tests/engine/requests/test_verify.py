"""The checks of a request: which comes first, and what each says."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from flask_realtime.engine.requests.cors import CorsPolicy
from flask_realtime.engine.requests.request import Request
from flask_realtime.engine.requests.verify import (
    verify_handshake,
    verify_session,
    verify_transport,
)
from flask_realtime.errors import ConnectError, Forbidden, RequestError
from tests.fakes import value_of

BOTH = frozenset({"polling", "websocket"})
OWN, FOREIGN = "https://good.com", "https://evil.com"
UPGRADE = {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"}


def environ(origin: str | None = None, **more: Any) -> dict[str, Any]:
    base = {"REQUEST_METHOD": "GET", "HTTP_HOST": "good.com"} | more
    return base if origin is None else base | {"HTTP_ORIGIN": origin}


def asked(query: Mapping[str, str], environ: Mapping[str, Any]) -> Request:
    return value_of({**environ, "QUERY_STRING": urlencode(query)})


def refusal(check: Callable[[], object]) -> tuple[int, dict[str, Any]]:
    """The code and the context of the error."""
    with pytest.raises(RequestError) as caught:
        check()
    return caught.value.code, caught.value.context


def handshake(
    transport: str = "polling",
    request: dict[str, Any] | None = None,
    eio: str | None = "4",
    cors: CorsPolicy | None = None,
    allow_request: Callable[[Any], Any] | None = None,
) -> None:
    query = {"transport": transport} | ({} if eio is None else {"EIO": eio})
    verify_handshake(asked(query, request or environ()), cors, allow_request)


# --- the transport -----------------------------------------------------------


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_an_enabled_transport_passes(transport: str) -> None:
    assert check_transport({"transport": transport}, environ()) == transport


@pytest.mark.parametrize(
    "transport",
    ["", "tobi", "webtransport", "Polling", "polling ", "polling,websocket", "__class__",
     "constructor", "__proto__", "\x00", "websocket\n"],
    ids=ascii,
)  # fmt: skip
def test_any_other_transport_is_unknown(transport: str) -> None:
    """CVE-2023-31125: a name that was looked up as an attribute ended the process."""
    check = refusal(lambda: check_transport({"transport": transport}, environ()))
    assert check == (0, {"transport": transport})


def test_a_missing_transport_is_unknown() -> None:
    assert refusal(lambda: check_transport({}, environ())) == (0, {"transport": None})


def test_a_transport_that_is_switched_off_is_unknown() -> None:
    only = frozenset({"polling"})
    check = refusal(lambda: check_transport({"transport": "websocket"}, environ(), only))
    assert check == (0, {"transport": "websocket"})


@pytest.mark.parametrize(
    "origin",
    ["https://a\r\nX: y", "\x00", "\x7f", "https://a\x1b", "https://\u20ac", "a\n"],
    ids=ascii,
)
def test_an_origin_that_is_no_header_value_is_a_bad_request(origin: str) -> None:
    check = refusal(lambda: check_transport({"transport": "polling"}, environ(origin)))
    assert check == (3, {"name": "INVALID_ORIGIN", "origin": origin})


@pytest.mark.parametrize(
    "origin", [OWN, FOREIGN, "null", "", "https://b\xfccher.example"], ids=ascii
)
def test_whose_origin_it_is_does_not_matter_yet(origin: str) -> None:
    assert check_transport({"transport": "polling"}, environ(origin)) == "polling"


def test_a_megabyte_of_origin_takes_no_time() -> None:
    start = time.process_time()
    broken, foreign = "\t " * 500_000 + "\x00", "https://" + "a." * 500_000
    query = {"transport": "polling"}
    assert refusal(lambda: check_transport(query, environ(broken)))[0] == 3
    assert check_transport(query, environ(foreign)) == "polling"
    assert refusal(lambda: handshake(request=environ(foreign)))[0] == 4
    assert time.process_time() - start < 1


# --- a request of a session --------------------------------------------------


def check_session(
    transport: str,
    environ: Mapping[str, Any],
    session: Any,
    cors: CorsPolicy | None = None,
    sid: str = "id",
) -> Any:
    request = asked({"sid": sid, "transport": transport}, environ)
    return verify_session(request, session, cors)


def check_transport(
    query: Mapping[str, str], environ: Mapping[str, Any], enabled: frozenset[str] = BOTH
) -> str:
    return verify_transport(asked(query, environ), enabled)


def session_on(transport: str) -> Any:
    """A session, as far as the checks look at it."""
    return SimpleNamespace(transport=SimpleNamespace(name=transport))


def test_a_session_is_found() -> None:
    session = session_on("polling")
    assert check_session("polling", environ(), session) is session


def test_a_request_that_is_no_upgrade_cannot_name_a_websocket() -> None:
    session = session_on("websocket")
    check = refusal(lambda: check_session("websocket", environ(), session))
    assert check[0] == 3


def test_an_unknown_session_is_named() -> None:
    for sid in ("", "__class__", "x" * 65_536):
        check = refusal(lambda sid=sid: check_session("polling", environ(), None, sid=sid))  # type: ignore[misc]
        assert check == (1, {"sid": sid})


def test_a_session_does_not_go_back_to_polling() -> None:
    session = session_on("websocket")
    check = refusal(lambda: check_session("polling", environ(), session))
    assert check == (
        3,
        {"name": "TRANSPORT_MISMATCH", "transport": "polling", "previousTransport": "websocket"},
    )


def test_only_an_upgrade_may_name_another_transport() -> None:
    session = session_on("polling")
    assert check_session("websocket", environ(**UPGRADE), session) is session
    code, context = refusal(lambda: check_session("websocket", environ(), session))
    assert (code, context["name"]) == (3, "TRANSPORT_MISMATCH")


@pytest.mark.parametrize("request_headers", [{}, UPGRADE], ids=["polling", "upgrade"])
@pytest.mark.parametrize("origin", [FOREIGN, "null", "https://good.com.evil"])
def test_another_site_cannot_use_a_session_it_knows(
    origin: str, request_headers: dict[str, str]
) -> None:
    """CVE-2019-13611: the check of the first request alone does not cover the upgrade."""
    session = session_on("polling")
    request = environ(origin, **request_headers)
    check = refusal(lambda: check_session("polling", request, session))
    assert check == (4, {"message": "Forbidden", "origin": origin})
    cors = CorsPolicy([origin])
    assert check_session("polling", request, session, cors) is session


# --- a handshake -------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "request_"),
    [
        pytest.param("polling", environ(), id="polling"),
        pytest.param("websocket", environ(**UPGRADE), id="websocket"),
        pytest.param("polling", environ(OWN), id="own origin"),
        pytest.param("polling", environ("http://GOOD.com:80"), id="own origin, spelt otherwise"),
        pytest.param("websocket", environ(OWN, **UPGRADE), id="own origin, websocket"),
    ],
)
def test_a_good_handshake_passes(transport: str, request_: dict[str, Any]) -> None:
    handshake(transport, request_)


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "HEAD", "PUT", "get", "", None])
def test_a_handshake_is_a_get(method: str | None) -> None:
    check = refusal(lambda: handshake(request=environ(REQUEST_METHOD=method)))
    assert check == (2, {"method": method})


@pytest.mark.parametrize(
    "headers", [{}, {"HTTP_UPGRADE": "websocket"}, {"HTTP_CONNECTION": "Upgrade"}], ids=str
)
def test_a_websocket_without_an_upgrade_is_a_bad_request(headers: dict[str, str]) -> None:
    """engine.io 6.1.2: such a request ended the process under uWebSockets.js."""
    check = refusal(lambda: handshake("websocket", environ(**headers)))
    assert check == (3, {"name": "TRANSPORT_HANDSHAKE_ERROR"})


@pytest.mark.parametrize(
    "eio",
    [None, "", "3", "5", "04", "4.0", "\u0664", "4 ", "x" * 65_536],
    ids=lambda eio: ascii(eio)[:8],
)
def test_another_revision_of_the_protocol_is_refused(eio: str | None) -> None:
    assert refusal(lambda: handshake(eio=eio)) == (5, {"protocol": 3})


TRICKS = {
    "foreign": FOREIGN,
    "null": "null",
    "empty": "",
    "a suffix": "https://good.com.evil",
    "a prefix": "https://evilgood.com",
    "another port": "https://good.com:8443",
    "a user": "https://good.com@evil.com",
    "another scheme": "ftp://good.com",
    "capitals": "HTTPS://EVIL.COM",
}


@pytest.mark.parametrize("origin", [pytest.param(text, id=name) for name, text in TRICKS.items()])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_other_sites_are_refused_by_default(transport: str, origin: str) -> None:
    """CVE-2019-13611, CVE-2020-28481: the default is the same origin, on both transports."""
    with pytest.raises(Forbidden) as caught:
        handshake(transport, environ(origin, **UPGRADE))
    assert (caught.value.code, caught.value.status) == (4, 403)
    assert caught.value.context == {"message": "Forbidden", "origin": origin}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_other_sites_are_admitted_by_name_or_all_of_them(transport: str) -> None:
    request = environ(FOREIGN, **UPGRADE)
    for option in (FOREIGN, [FOREIGN], re.compile(r"https://evil\.com"), "*", lambda *_: True):
        handshake(transport, request, cors=CorsPolicy(option))
    with pytest.raises(Forbidden):
        handshake(transport, request, cors=CorsPolicy(["https://third.com"]))


def test_the_own_origin_needs_no_place_in_the_policy() -> None:
    handshake(request=environ(OWN), cors=CorsPolicy([FOREIGN]))


@pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED"])
def test_a_forwarded_host_admits_nobody(header: str) -> None:
    """engineio believes X-Forwarded-Host."""
    with pytest.raises(Forbidden):
        handshake(request=environ(FOREIGN, **{header: "evil.com"}))


# --- the application's decision ----------------------------------------------


def test_the_application_sees_the_request() -> None:
    seen: list[Any] = []

    def allow_request(environ: Any) -> bool:
        seen.append(environ)
        return True

    request = environ(HTTP_COOKIE="a=b")
    handshake(request=request, allow_request=allow_request)
    assert request.items() <= seen[0].items()


@pytest.mark.parametrize("answer", [False, None, 0, ""], ids=repr)
def test_a_false_answer_refuses(answer: object) -> None:
    check = refusal(lambda: handshake(allow_request=lambda environ: answer))
    assert check == (4, {"message": "Forbidden"})


def raising(error: Exception) -> Callable[[Any], Any]:
    def allow_request(environ: Any) -> Any:
        raise error

    return allow_request


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectError("no token"), "no token"),
        (ConnectError("\u20ac"), "\u20ac"),
        # A defect of the application is not for the client to read.
        (KeyError("postgres://user:password@host"), "Forbidden"),
    ],
    ids=repr,
)
def test_an_exception_refuses_and_only_a_refusal_has_its_message(
    error: Exception, message: str
) -> None:
    with pytest.raises(Forbidden) as caught:
        handshake(allow_request=raising(error))
    assert caught.value.message == message


def test_a_refusal_of_the_applications_own_goes_through() -> None:
    error = RequestError({"name": "MINE"}, "Come back later")
    with pytest.raises(RequestError) as caught:
        handshake(allow_request=raising(error))
    assert caught.value is error


# --- the order ---------------------------------------------------------------


def test_the_checks_have_their_documented_order() -> None:
    """Each request is wrong in all that follows as well."""
    seen: list[Any] = []

    def never(environ: Any) -> bool:
        seen.append(environ)
        return False

    foreign_post = environ(FOREIGN, REQUEST_METHOD="POST")
    assert refusal(lambda: handshake("websocket", foreign_post, "3", None, never))[0] == 2
    foreign_get = environ(FOREIGN)
    assert refusal(lambda: handshake("websocket", foreign_get, "3", None, never))[0] == 3
    upgrade = environ(FOREIGN, **UPGRADE)
    assert "origin" in refusal(lambda: handshake("websocket", upgrade, "3", None, never))[1]
    assert seen == []
    own = environ(OWN, **UPGRADE)
    assert refusal(lambda: handshake("websocket", own, "3", None, never))[0] == 4
    assert [own.items() <= found.items() for found in seen] == [True]
    assert refusal(lambda: handshake("websocket", own, "3"))[0] == 5


def test_the_session_is_checked_before_its_transport_and_its_origin() -> None:
    request = environ(FOREIGN)
    assert refusal(lambda: check_session("polling", request, None))[0] == 1
    session = session_on("websocket")
    assert refusal(lambda: check_session("polling", request, session))[0] == 3

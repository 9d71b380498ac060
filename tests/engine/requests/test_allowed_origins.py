"""Values of the option ``cors``: what some client sends is taken, anything else is an error."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flask_realtime import Server
from flask_realtime.engine.requests.allowed_origins import check_origins
from flask_realtime.engine.requests.cors import CorsPolicy
from tests.fakes import value_of

SENT = [
    "https://example.com",
    "http://localhost:3000",
    "https://a.b-c.example.com:8443",
    "http://127.0.0.1:8000",
    "http://[::1]:3000",
    "http://[2001:db8::1]",
    "https://xn--bcher-kva.example",
    "http://good_name.local",
    "https://example.com.",
    "ws://example.com",
    "wss://example.com:8443",
    "http://example.com:443",
    # Pages that come from no server.
    "null",
    "file://",
    "capacitor://localhost",
    "ionic://localhost",
    "tauri://localhost",
    "https://tauri.localhost",
    "app://-",
    "app://obsidian.md",
    "vscode-webview://0a1b2c",
    "chrome-extension://abcdefghijklmnop",
    "moz-extension://6f5d2a6e-1111-2222-3333-444455556666",
    "capacitor://MyApp",
]


@pytest.mark.parametrize("origin", SENT)
def test_origins_that_clients_send_are_taken(origin: str) -> None:
    for option in (origin, [origin], {origin}, {"origin": [origin]}):
        assert CorsPolicy(option).allows(value_of({"HTTP_HOST": "good.com", "HTTP_ORIGIN": origin}))
    Server(cors=[origin])


#: Values that match nothing, and what their error says.
UNSENT = {
    "example.com": '"https://example.com"',
    "localhost:3000": '"https://localhost:3000"',
    "//example.com": '"https://example.com"',
    "www.example.com/chat": '"https://www.example.com"',
    "localhost": '"https://localhost"',
    "none": '"https://none"',
    "": '"https://example.com"',
    "https:example.com": "scheme",
    "https://example.com/": '"https://example.com"',
    "https://example.com/chat": '"https://example.com"',
    "https://example.com?x=1": '"https://example.com"',
    "https://example.com#top": '"https://example.com"',
    "capacitor://localhost/": '"capacitor://localhost"',
    "file:///": '"file://"',
    "file:///home/page.html": '"file://"',
    "https://user@example.com": '"https://example.com"',
    "https://Example.com": '"https://example.com"',
    "HTTPS://example.com": '"https://example.com"',
    "Capacitor://localhost": '"capacitor://localhost"',
    "NULL": "scheme",
    "https://example.com:443": '"https://example.com"',
    "http://example.com:80": '"http://example.com"',
    "wss://example.com:443": '"wss://example.com"',
    "http://example.com:0080": '"http://example.com"',
    "http://example.com:08080": '"http://example.com:8080"',
    "http://example.com:": '"http://example.com"',
    "http://example.com:http": "https://example.com",
    "http://example.com:99999": "https://example.com",
    "https://": "no host",
    "http://[0:0:0:0:0:0:0:1]:3000": '"http://[::1]:3000"',
    "http://[::FFFF]": '"http://[::ffff]"',
    "http://[nothing]": "https://example.com",
    "https://b\xfccher.example": '"https://xn--bcher-kva.example"',
    "https://example.com, https://example.org": "white space",
    "https://example.com,https://example.org": "a list",
    " https://example.com": "white space",
    "https://good.com\n": "white space",
    "https://*.example.com": r're.compile(r"https://[a-z0-9-]+\.example\.com")',
    "http://localhost:*": r're.compile(r"http://localhost:\d+")',
    "*.example.com": "re.compile",
    "https://.*": "re.compile",
    r"https://[a-z]+\.example\.com": "re.compile",
    "/example\\.com$/": "re.compile",
    "^https://example.com$": "re.compile",
    "https://(www|m).example.com": "re.compile",
}


@pytest.mark.parametrize("origin", UNSENT)
def test_a_text_that_matches_nothing_is_an_error_with_the_right_spelling(origin: str) -> None:
    for option in (origin, ["https://good.com", origin], {"origin": (origin,)}):
        with pytest.raises(ValueError, match="cors: ") as error:
            Server(cors=option)
        assert UNSENT[origin] in str(error.value)
        assert repr(origin) in str(error.value)


@pytest.mark.parametrize("origin", UNSENT)
def test_the_patterns_that_errors_name_can_be_used(origin: str) -> None:
    with pytest.raises(ValueError, match="cors") as error:
        check_origins(origin)
    found = re.search(r're\.compile\(r"([^…"]+)"\)$', str(error.value))
    if found is not None:
        CorsPolicy(re.compile(found[1]))


@pytest.mark.parametrize("option", [re.compile(b"https://a"), [re.compile(b"https://a")]])
def test_a_pattern_of_bytes_is_an_error(option: Any) -> None:
    with pytest.raises(TypeError, match="pattern must be of text"):
        CorsPolicy(option)


@pytest.mark.parametrize("option", [None, False, [], (), "*", True, re.compile("x")], ids=repr)
def test_nothing_and_all_are_said_plainly(option: Any) -> None:
    check_origins(option)

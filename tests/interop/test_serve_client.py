"""The server delivers the official client script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from tests.interop.running import Servers
from tests.processes import ServerProcess, node_package


@pytest.fixture(scope="session")
def package() -> Path:
    return node_package("socket.io-client")


@pytest.mark.parametrize("kind", ["bare", "flask"])
@pytest.mark.parametrize(
    "name",
    ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"],
)
def test_each_script_is_the_official_one(
    servers: Servers, package: Path, name: str, kind: str
) -> None:
    url = f"{servers.get(kind).url}/socket.io/{name}"
    for suffix in ("", ".map"):
        answer = requests.get(url + suffix, timeout=5)
        assert answer.status_code == 200
        assert answer.content == (package / "dist" / (name + suffix)).read_bytes()
        kind_of_content = answer.headers["Content-Type"]
        assert ("json" if suffix else "javascript") in kind_of_content


def test_the_tag_is_the_version_and_is_compared(server: ServerProcess, package: Path) -> None:
    version = json.loads((package / "package.json").read_text("utf-8"))["version"]
    url = f"{server.url}/socket.io/socket.io.js"
    tag = requests.get(url, timeout=5).headers["ETag"]
    assert tag in (f'"{version}"', f'W/"{version}"')
    for known in (tag, f'W/"{version}"', f'"{version}"'):
        answer = requests.get(url, headers={"If-None-Match": known}, timeout=5)
        assert (answer.status_code, answer.content) == (304, b"")
    other = requests.get(url, headers={"If-None-Match": '"0.0.0"'}, timeout=5)
    assert other.status_code == 200


def test_it_may_be_cached_but_is_asked_for_again(server: ServerProcess) -> None:
    answer = requests.get(f"{server.url}/socket.io/socket.io.js", timeout=5)
    assert answer.headers["Cache-Control"] == "public, max-age=0"


@pytest.mark.parametrize("name", ["package.json", "../package.json", "%2e%2e/package.json", "x.js"])
def test_nothing_else_is_delivered(server: ServerProcess, name: str) -> None:
    answer = requests.get(f"{server.url}/socket.io/{name}", timeout=5)
    assert answer.status_code in (400, 404)
    assert "socket.io-client" not in answer.text


def test_it_can_be_switched_off(servers: Servers) -> None:
    url = servers.get(serve_client=False).url
    answer = requests.get(f"{url}/socket.io/socket.io.js", timeout=5)
    assert answer.status_code in (400, 404)
    assert "function" not in answer.text


@pytest.mark.parametrize("kind", ["bare", "flask"])
def test_scripts_travel_compressed(servers: Servers, package: Path, kind: str) -> None:
    url = f"{servers.get(kind).url}/socket.io/socket.io.js"
    plain = (package / "dist" / "socket.io.js").read_bytes()
    for accepted in ("gzip", "deflate", "identity"):
        answer = requests.get(url, headers={"Accept-Encoding": accepted}, timeout=5)
        assert answer.content == plain
        assert answer.headers.get("Content-Encoding", "identity") == accepted
        assert answer.headers["Vary"] == "Accept-Encoding"
        length = int(answer.headers["Content-Length"])
        assert length == len(plain) if accepted == "identity" else length < len(plain) / 3
        head = requests.head(url, headers={"Accept-Encoding": accepted}, timeout=5)
        assert int(head.headers["Content-Length"]) == length

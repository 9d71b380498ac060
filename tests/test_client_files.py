"""The JavaScript client below the path of the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flask_realtime.client_files import CLIENT_FILES, ClientFiles
from tests.fakes import Answer, request

VERSION = "4.9.9"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """The client as npm installs it, below `tmp_path`."""
    folder = tmp_path / "node_modules" / "socket.io-client" / "dist"
    folder.mkdir(parents=True)
    for name in ("socket.io.js", "socket.io.js.map", "socket.io.min.js", "secret.js"):
        (folder / name).write_text(f"content of {name}")
    (folder.parent / "package.json").write_text(json.dumps({"version": VERSION}))
    return folder


def get(files: ClientFiles, name: str, method: str = "GET", **headers: str) -> Answer | None:
    environ = request(method, "", path=f"/socket.io/{name}", headers=headers)
    response = files.answer(name, environ)
    return None if response is None else Answer().fill(response, environ)


def found(files: ClientFiles, name: str, method: str = "GET", **headers: str) -> Answer:
    answer = get(files, name, method, **headers)
    assert answer is not None
    return answer


def test_the_client_is_found_upwards_from_the_application(dist: Path, tmp_path: Path) -> None:
    start = tmp_path / "app" / "package"
    start.mkdir(parents=True)
    answer = found(ClientFiles(True, [str(start)]), "socket.io.js")
    assert (answer.status, answer.text) == (200, "content of socket.io.js")
    assert answer.headers["Content-Type"].startswith("application/javascript")
    assert answer.headers["Cache-Control"] == "public, max-age=0"
    assert answer.headers["ETag"].strip('"') == VERSION


def test_a_source_map_is_json(dist: Path) -> None:
    answer = found(ClientFiles(str(dist), []), "socket.io.js.map")
    assert answer.headers["Content-Type"] == "application/json"


def test_a_client_that_has_the_file_gets_304(dist: Path) -> None:
    answer = found(ClientFiles(str(dist), []), "socket.io.js", **{"If-None-Match": f'"{VERSION}"'})
    assert (answer.status, answer.body) == (304, b"")


def test_a_head_request_has_no_body(dist: Path) -> None:
    answer = found(ClientFiles(str(dist), []), "socket.io.js", "HEAD")
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len("content of socket.io.js"))


def test_without_a_client_there_is_a_redirect_to_its_release(tmp_path: Path) -> None:
    answer = found(ClientFiles(True, [str(tmp_path)]), "socket.io.min.js")
    assert answer.status == 302
    location = answer.headers["Location"]
    assert location.startswith("https://cdn.socket.io/4.")
    assert location.endswith("/socket.io.min.js")


@pytest.mark.parametrize(
    "name",
    ["secret.js", "../package.json", "..%2Fpackage.json", "", "socket.io.js/", "/etc/passwd",
     "socket.io.js\x00", "SOCKET.IO.JS", "socket.io.esm.min.js"],
)  # fmt: skip
def test_nothing_else_is_served(dist: Path, name: str) -> None:
    assert get(ClientFiles(str(dist), []), name) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "DELETE"])
def test_a_file_is_only_read(dist: Path, method: str) -> None:
    assert get(ClientFiles(str(dist), []), "socket.io.js", method) is None


def test_it_can_be_switched_off(dist: Path) -> None:
    files = ClientFiles(False, [str(dist)])
    assert all(get(files, name) is None for name in CLIENT_FILES)


def test_a_directory_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing"):
        ClientFiles(str(tmp_path / "missing"), [])


@pytest.mark.parametrize("content", [None, "no json", "{}"])
def test_without_a_version_the_file_is_its_own(dist: Path, content: str | None) -> None:
    package = dist.parent / "package.json"
    package.unlink()
    if content is not None:
        package.write_text(content)
    answer = found(ClientFiles(str(dist), []), "socket.io.js")
    assert answer.status == 200
    assert answer.headers["ETag"]


def test_the_bundles_of_the_client_have_their_maps() -> None:
    names: Any = {name for name in CLIENT_FILES if not name.endswith(".map")}
    assert {f"{name}.map" for name in names} | names == CLIENT_FILES
    assert {"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js"} <= names

"""The JavaScript client below the path of the server."""

from __future__ import annotations

import gzip
import json
import logging
import os
import zlib
from collections.abc import Callable
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


@pytest.mark.parametrize("is_there", [True, False])
def test_where_they_come_from_is_logged_once(
    dist: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, is_there: bool
) -> None:
    files = ClientFiles(True, [str(tmp_path if is_there else Path("/"))])
    source = str(dist) if is_there else "https://cdn.socket.io, release 4.8.1"
    with caplog.at_level(logging.INFO, "flask_realtime"):
        get(files, "other.js")
        assert caplog.records == []
        for name in ("socket.io.js", "socket.io.min.js"):
            found(files, name)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (
        "INFO",
        f"= the client's files come from {source}",
    )


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


# --- compression

SCRIPT = "".join(f"export const name{number} = {number};\n" for number in range(500))
BIG = "socket.io.esm.min.js"
DECODE: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress}
ENCODINGS = pytest.mark.parametrize("encoding", DECODE)


@pytest.fixture
def big(dist: Path) -> ClientFiles:
    (dist / BIG).write_text(SCRIPT)
    return ClientFiles(str(dist), [])


@ENCODINGS
def test_a_file_is_compressed_for_who_accepts_it(big: ClientFiles, encoding: str) -> None:
    answer = found(big, BIG, **{"Accept-Encoding": encoding})
    assert answer.headers["Content-Encoding"] == encoding
    assert DECODE[encoding](answer.body).decode() == SCRIPT
    assert len(answer.body) == int(answer.headers["Content-Length"]) < len(SCRIPT) / 3
    assert answer.headers["Content-Type"].startswith("application/javascript")
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Cache-Control"] == "public, max-age=0"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "gzip"),
        ("deflate;q=1, gzip;q=0.5", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("*", "gzip"),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("", None),
    ],
)
def test_the_client_chooses_the_encoding(
    big: ClientFiles, accepted: str, encoding: str | None
) -> None:
    answer = found(big, BIG, **{"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert (answer.text == SCRIPT) if encoding is None else answer.body


def test_a_small_file_is_sent_as_it_is(big: ClientFiles) -> None:
    answer = found(big, "socket.io.js", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers
    assert answer.text == "content of socket.io.js"


def test_the_tag_of_a_compressed_file_is_weak(big: ClientFiles) -> None:
    """RFC 9110 §8.8.1: the bytes are others, the script is the same."""
    assert found(big, BIG).headers["ETag"] == f'"{VERSION}"'
    assert found(big, BIG, **{"Accept-Encoding": "gzip"}).headers["ETag"] == f'W/"{VERSION}"'


@pytest.mark.parametrize("known", [f'"{VERSION}"', f'W/"{VERSION}"', f'"0", W/"{VERSION}"', "*"])
@pytest.mark.parametrize("accepted", ["gzip", "deflate", ""])
def test_a_304_has_the_headers_of_the_file_and_none_of_its_body(
    big: ClientFiles, known: str, accepted: str
) -> None:
    """RFC 9110 §15.4.5."""
    asked = {"If-None-Match": known, "Accept-Encoding": accepted}
    full = found(big, BIG, **{"Accept-Encoding": accepted}).headers
    answer = found(big, BIG, **asked)
    assert (answer.status, answer.body) == (304, b"")
    for name in ("ETag", "Vary", "Cache-Control"):
        assert answer.headers[name] == full[name]
    assert not {"Content-Encoding", "Content-Length", "Content-Type"} & {*answer.headers.keys()}
    other = found(big, BIG, **{**asked, "If-None-Match": '"0.0.0"'})
    assert other.status == 200


@ENCODINGS
def test_a_head_request_has_the_headers_of_the_compressed_file(
    big: ClientFiles, encoding: str
) -> None:
    full = found(big, BIG, **{"Accept-Encoding": encoding})
    answer = found(big, BIG, "HEAD", **{"Accept-Encoding": encoding})
    assert (answer.status, answer.body) == (200, b"")
    for name in ("Content-Encoding", "Content-Length", "ETag", "Vary"):
        assert answer.headers[name] == full.headers[name]


def test_a_file_is_compressed_once_and_again_when_it_has_changed(
    big: ClientFiles, dist: Path
) -> None:
    path, other = dist / BIG, SCRIPT.replace("const", "const".upper())

    def get_each() -> list[str]:
        answers = [(d, found(big, BIG, **{"Accept-Encoding": e})) for e, d in DECODE.items()]
        return [decode(answer.body).decode() for decode, answer in answers]

    assert get_each() == [SCRIPT] * 2
    stat = path.stat()
    path.write_text(other)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    # Nothing tells that the file is another one: it is not read.
    assert get_each() == [SCRIPT] * 2
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert get_each() == [other] * 2
    path.write_text(SCRIPT * 2)
    assert get_each() == [SCRIPT * 2] * 2


def test_a_part_of_a_compressed_file_is_not_cut_out_of_it(big: ClientFiles) -> None:
    answer = found(big, BIG, **{"Accept-Encoding": "gzip", "Range": "bytes=0-9"})
    assert answer.status == 200
    assert gzip.decompress(answer.body).decode() == SCRIPT


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

"""What ``run()`` takes: addresses as they are written, and no keyword that means nothing."""

from __future__ import annotations

import errno
import logging
import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from flask_realtime import Realtime, Server
from flask_realtime.hosts.run_options import RunOptions, why_not


def build(host: Any = None, port: Any = None, **keywords: Any) -> RunOptions:
    return RunOptions.build(host, port, keywords)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("certfil", "certfile"),
        ("key_file", "keyfile"),
        ("sslcontext", "ssl_context"),
        ("backlogs", "backlog"),
        ("use_reload", "use_reloader"),
        ("log_output", "log"),
        ("hostname", "host"),
    ],
)
@pytest.mark.parametrize("server", [Server, Realtime])
def test_an_unknown_keyword_raises_and_names_the_nearest(server: Any, name: str, near: str) -> None:
    with pytest.raises(TypeError, match=rf"run\(\).*{name!r}; did you mean {near!r}"):
        server().run(_app_for(server), **{name: 1})


def _app_for(server: Any) -> Any:
    from flask import Flask

    return Flask(__name__) if server is Realtime else None


@pytest.mark.parametrize("name", ["threaded", "server_side", "listener", "application", "xyzzy"])
def test_a_keyword_like_no_other_raises_as_well(name: str) -> None:
    with pytest.raises(TypeError, match=f"unknown keyword {name!r}"):
        build(**{name: None})


def test_the_keywords_of_gevents_server_are_passed_on() -> None:
    options = build(backlog=7, environ={"a": "b"}, error_log=None, spawn=3)
    assert options.server == {
        "log": None,
        "backlog": 7,
        "environ": {"a": "b"},
        "error_log": None,
        "spawn": 3,
    }
    assert not options.is_tls


@pytest.mark.parametrize(
    ("given", "found"), [(None, None), (False, None), (True, "default"), ("default", "default")]
)
def test_an_access_log_is_on_or_off(given: Any, found: Any) -> None:
    assert build(log=given).server["log"] == found


def test_a_log_may_be_a_logger_or_a_file(tmp_path: Path) -> None:
    logger = logging.getLogger("access")
    assert build(log=logger).server["log"] is logger
    with (tmp_path / "log").open("w") as file:
        assert build(log=file).server["log"] is file


def test_a_log_can_be_written_to() -> None:
    with pytest.raises(TypeError, match="log must be"):
        build(log=5)


@pytest.mark.parametrize(("log", "found"), [(None, "default"), (False, None), (True, "default")])
def test_debug_mode_has_an_access_log_unless_it_is_turned_off(log: Any, found: Any) -> None:
    assert build(debug=True, log=log).server["log"] == found


def test_the_keywords_of_development_are_no_keywords_of_the_server() -> None:
    options = build(debug=True, use_reloader=True, reloader_options={}, extra_files=[])
    assert options.server == {"log": "default"}
    assert options.development.is_on


@pytest.mark.parametrize("given", [None, "127.0.0.1"])
def test_no_host_is_the_default(given: str | None) -> None:
    assert build(given).address == ("127.0.0.1", 5000)


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_a_host_of_ipv6_has_brackets_in_the_banner(host: str) -> None:
    options = build(host)
    assert options.address == ("::1", 5000)
    assert options.url(5000) == "http://[::1]:5000"


def test_all_interfaces_have_a_name_in_the_banner() -> None:
    assert build("").url(80) == "http://0.0.0.0:80"


@pytest.mark.parametrize("port", [8080, "8080", " 8080 ", 8080.0], ids=repr)
def test_a_port_is_a_number_or_text_from_the_environment(port: Any) -> None:
    assert build(port=port).address == ("127.0.0.1", 8080)


@pytest.mark.parametrize("port", ["", "http", 80.5, -1, 65_536, True, [80], "８０"], ids=repr)
def test_an_invalid_port_raises(port: Any) -> None:
    with pytest.raises(ValueError, match="port must be a number from 0 to 65535"):
        build(port=port)


@pytest.mark.parametrize("host", [5, b"::1", ["a"]], ids=repr)
def test_an_invalid_host_raises(host: Any) -> None:
    with pytest.raises(TypeError, match="host must be"):
        build(host)


def test_without_a_certificate_there_is_no_tls() -> None:
    options = build(keyfile=None, certfile=None, ssl_context=None)
    assert not options.is_tls
    assert options.server == {"log": None}


def test_a_certificate_is_read_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        build(certfile=str(tmp_path / "missing.pem"))
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(OSError, match=r"(?i)pem|ssl"):
        build(certfile=str(tmp_path / "bad.pem"))


@pytest.mark.parametrize("name", ["keyfile", "ca_certs", "ciphers"])
def test_tls_without_a_certificate_raises(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} needs certfile"):
        build(**{name: "x"})


def test_a_context_has_all_of_it() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(TypeError, match="certfile and ssl_context"):
        build(ssl_context=context, certfile="x")
    options = build(ssl_context=context, suppress_ragged_eofs=False)
    assert options.is_tls
    assert options.server["ssl_context"] is context
    assert options.url(443).startswith("https://")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EADDRINUSE, "another program"),
        (errno.EACCES, "may not"),
        (errno.EADDRNOTAVAIL, "does not have that address"),
        (errno.EIO, "port"),
    ],
)
def test_why_a_port_cannot_be_had_is_two_lines(code: int, words: str) -> None:
    error = OSError(code, os.strerror(code) + ": ('127.0.0.1', 80)")
    first, second = why_not(build(port=80), error)
    assert first == f"Cannot listen on http://127.0.0.1:80: {os.strerror(code)}"
    assert words in second


@pytest.mark.parametrize("context", ["adhoc", ("cert.pem", "key.pem")], ids=repr)
def test_a_context_of_werkzeug_is_refused_at_the_call(context: Any) -> None:
    with pytest.raises(TypeError, match=r"must be an ssl\.SSLContext.*; certfile and keyfile"):
        build(ssl_context=context)


@pytest.mark.parametrize(("given", "count"), [(None, 1), (1, 1), (4, 4), (4.0, 4)])
def test_the_number_of_workers_is_one_unless_it_is_given(given: Any, count: int) -> None:
    assert build(workers=given).workers == count


@pytest.mark.parametrize(
    ("keywords", "error", "text"),
    [
        ({"workers": "4"}, TypeError, "workers must be a number such as 4, not '4'"),
        ({"workers": True}, TypeError, "workers must be a number"),
        ({"workers": 1.5}, TypeError, "workers must be a number"),
        ({"workers": 0}, ValueError, "workers must be from 1 to 128, not 0"),
        ({"workers": 1000}, ValueError, "workers must be from 1 to 128"),
        ({"workers": 2, "debug": True}, RuntimeError, "leave out workers while developing"),
        ({"workers": 2, "use_reloader": True}, RuntimeError, "leave out workers while developing"),
        ({"workers": 2, "spawn": 100}, TypeError, "leave out spawn"),
    ],
)
def test_workers_that_cannot_be_raise_and_name_the_remedy(
    keywords: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=rf"run\(\): .*{text}"):
        build(**keywords)


def test_one_worker_goes_with_everything() -> None:
    assert build(workers=1, spawn=100).workers == 1


def test_a_system_without_fork_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(RuntimeError, match="workers=2 needs a system that can fork"):
        build(workers=2)


def test_workers_that_stay_alone_cannot_serve_one_port() -> None:
    with pytest.raises(ValueError, match='needs the option workers="together"'):
        Server(workers="alone").run(port=0, workers=2)

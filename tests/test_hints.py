"""Options and keywords of other servers: the message says how they are written here."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_realtime import Realtime, Server
from flask_realtime.hints import refuse_keywords, unknown_option
from flask_realtime.options import Options


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("message_queue", "adapter="),
        ("client_manager", "adapter="),
        ("cors_allowed_origins", "cors"),
        ("async_mode", "gevent"),
        ("manage_session", "session"),
        ("logger", "logging.getLogger"),
        ("engineio_logger", "logging.getLogger"),
        ("async_handlers", "concurrent=True"),
        ("always_connect", "io.use"),
        ("namespaces", "io.of"),
        ("pingInterval", "'ping_interval'"),
        ("pingTimeout", "seconds"),
        ("maxHttpBufferSize", "'max_http_buffer_size'"),
        ("allowEIO3", "'allow_eio3'"),
        ("cleanupEmptyChildNamespaces", "'cleanup_empty_child_namespaces'"),
        ("ping_intervall", "'ping_interval'"),
    ],
)
def test_an_option_of_another_server_is_explained(name: str, hint: str) -> None:
    options: dict[str, Any] = {name: "x"}
    with pytest.raises(TypeError) as caught:
        Server(**options)
    assert repr(name) in str(caught.value)
    assert hint in str(caught.value)
    assert unknown_option(name, Options.names()) == str(caught.value)


def test_so_is_one_in_the_config_of_an_application() -> None:
    app = Flask(__name__)
    app.config["REALTIME_MESSAGE_QUEUE"] = "redis://"
    with pytest.raises(TypeError, match="adapter="):
        Realtime(app)


def test_no_option_of_another_server_is_one_of_ours() -> None:
    for name in Options.names():
        assert unknown_option(name, ()) == f"unknown option {name!r}"


@pytest.mark.parametrize("path", ["socket.io", "x/socket.io"])
def test_a_path_without_a_slash_is_written_with_one(path: str) -> None:
    with pytest.raises(ValueError, match=f"write '/{path}'"):
        Server(path=path)


def test_any_other_keyword_is_refused_as_python_does() -> None:
    with pytest.raises(TypeError, match=r"^emit\(\) got an unexpected keyword argument 'colour'$"):
        refuse_keywords("emit", {"colour": 1})

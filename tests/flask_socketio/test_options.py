"""Options of Flask-SocketIO as those of the engine."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask
from flask import json as flask_json

from flask_realtime import Server
from flask_realtime.flask_socketio.options import Settings, note_meaningless, settings_of
from flask_realtime.parsers import MsgpackParser

APP = Flask(__name__)


def translated(**given: Any) -> Settings:
    settings = settings_of(given, APP)
    Server(**settings.engine)  # it takes them
    return settings


def engine(**given: Any) -> dict[str, Any]:
    return translated(**given).engine


def test_the_defaults_are_those_of_flask_socketio() -> None:
    settings = translated()
    assert settings.async_handlers is True
    assert settings.always_connect is False
    assert settings.namespaces == ["/"]
    assert settings.queue is None


@pytest.mark.parametrize("given", [{"path": "ws"}, {"path": "/ws/"}, {"resource": "ws"}])
def test_a_path_has_a_slash(given: dict[str, str]) -> None:
    assert engine(**given)["path"] == "/ws"


@pytest.mark.parametrize(
    ("given", "cors"),
    [
        ("*", "*"),
        (["*"], "*"),
        ([], "*"),
        ("https://a.example", {"origin": ["https://a.example"], "credentials": True}),
        (("https://a.example",), {"origin": ["https://a.example"], "credentials": True}),
    ],
)
def test_origins(given: Any, cors: Any) -> None:
    assert engine(cors_allowed_origins=given)["cors"] == cors
    assert "cors" not in engine()


def test_credentials_for_every_origin_have_to_be_asked_for() -> None:
    cors = engine(cors_allowed_origins="*", cors_credentials=True)["cors"]
    assert cors["credentials"] is True
    cors = engine(cors_allowed_origins=["https://a.example"], cors_credentials=False)["cors"]
    assert cors["credentials"] is False


def test_an_origin_that_matches_nothing_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cors = engine(cors_allowed_origins=["http://a.example/", "http://b.example"])["cors"]
    assert cors["origin"] == ["http://b.example"]
    assert "http://a.example/" in caplog.text


def test_a_function_decides_about_origins() -> None:
    assert callable(engine(cors_allowed_origins=lambda origin: True)["cors"]["origin"][0])


def test_numbers_texts_and_pairs_are_taken_as_there() -> None:
    options = engine(ping_interval=(10, 5), transports="polling", compression_threshold=10)
    assert options["ping_interval"] == 10
    assert options["transports"] == ["polling"]
    assert options["http_compression"] == {"threshold": 10}
    assert engine(http_compression=False, compression_threshold=10)["http_compression"] is False


def test_attributes_of_a_cookie_are_spelled_as_here(caplog: pytest.LogCaptureFixture) -> None:
    given = {"name": "io", "HttpOnly": True, "SameSite": "Lax", "path": lambda: "/a"}
    cookie = engine(cookie=given)["cookie"]
    assert cookie == {"name": "io", "httponly": True, "samesite": "Lax", "path": "/a"}
    assert "called once" in caplog.text
    assert engine(cookie="io")["cookie"] == "io"


def test_serializers() -> None:
    assert isinstance(engine(serializer="msgpack")["parser"], MsgpackParser)
    assert "parser" not in engine(serializer="default")
    with pytest.raises(ValueError, match="serializer"):
        translated(serializer="pickle")


def test_flasks_json_is_that_of_the_application() -> None:
    assert engine(json=flask_json)["json"] is APP.json


def test_options_of_the_engine_are_taken_as_they_are() -> None:
    assert engine(allow_eio3=True, cors={"origin": "*"}) == {
        "path": "/socket.io",
        "allow_eio3": True,
        "cors": {"origin": "*"},
        "http_compression": True,
    }


def test_what_changes_nothing_is_named_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    assert "colour" not in engine(monitor_clients=True, colour="red")
    assert [record.message for record in caplog.records] == [
        "! SocketIO(): without a meaning here: monitor_clients=, colour="
    ]
    note_meaningless("x", {})
    assert len(caplog.records) == 1


def test_threads_are_warned_of_and_other_modes_named(caplog: pytest.LogCaptureFixture) -> None:
    translated(async_mode="threading")
    assert "patch_all" in caplog.text
    translated(async_mode="eventlet")
    assert "gevent is used" in caplog.text
    caplog.clear()
    translated(async_mode="gevent")
    assert not caplog.text


def test_a_manager_of_python_socketio_is_refused() -> None:
    with pytest.raises(TypeError, match="message_queue"):
        translated(client_manager=object())


@pytest.mark.parametrize(
    "url", ["amqp://localhost", "kafka://localhost", "localhost", "redis+x://"]
)
def test_brokers_without_an_adapter_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="message_queue: no adapter"):
        translated(message_queue=url)


def test_logger_true_shows_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    package = logging.getLogger("flask_realtime")
    monkeypatch.setattr(package, "level", package.level)
    monkeypatch.setattr(package, "handlers", list(package.handlers))
    translated(logger=True, engineio_logger=True)
    assert package.level == logging.INFO


def test_a_logger_object_is_named(caplog: pytest.LogCaptureFixture) -> None:
    translated(logger=logging.getLogger("own"))
    assert "a logger has no meaning here" in caplog.text

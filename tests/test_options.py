"""What a server can be told, and what it cannot."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from flask_realtime.hints import unknown_option
from flask_realtime.options import DeflateSettings, Options, RecoveryOptions


def test_the_defaults_are_those_of_the_documentation() -> None:
    """Socket.IO documentation, "Server options"; there in milliseconds."""
    options = Options.build({})
    assert options == Options()
    assert (options.path, options.add_trailing_slash) == ("/socket.io", True)
    assert tuple(options.transports) == ("polling", "websocket")
    assert (options.ping_interval, options.ping_timeout) == (25, 20)
    assert (options.upgrade_timeout, options.connect_timeout) == (10, 45)
    assert options.max_http_buffer_size == 1_000_000
    assert options.allow_upgrades
    assert options.http_compression
    assert options.serve_client
    assert options.cleanup_empty_child_namespaces is False


def test_the_defaults_are_safe() -> None:
    """CVE-2020-28481: other origins are not admitted; CVE-2026-33151: ten attachments."""
    options = Options.build({})
    assert options.cors is None
    assert options.cookie is None
    assert options.max_attachments == 10
    assert options.max_buffered_bytes < 64 << 20


def test_what_is_given_is_kept() -> None:
    given: dict[str, Any] = {
        "path": "/live",
        "ping_interval": 0.3,
        "transports": ["websocket"],
        "cors": ["https://good.com"],
        "cookie": {"name": "node"},
    }
    options = Options.build(given)
    assert {name: getattr(options, name) for name in given} == given


def test_what_was_given_is_not_changed() -> None:
    given = {"per_message_deflate": False, "ping_interval": 1}
    Options.build(given)
    assert given == {"per_message_deflate": False, "ping_interval": 1}


def test_options_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().path = "/other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ping_intervall", "ping_interval"),
        ("pingTimeout", "ping_timeout"),
        ("transport", "transports"),
        ("per_message_deflat", "per_message_deflate"),
    ],
)
def test_an_unknown_option_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(TypeError, match=f"{name!r}; did you mean {near!r}"):
        Options.build({name: 1})


def test_an_option_like_no_other_is_only_unknown() -> None:
    assert unknown_option("xyzzy", Options.names()) == "unknown option 'xyzzy'"


def test_every_field_is_an_option() -> None:
    assert {field.name for field in dataclasses.fields(Options)} <= Options.names()


POSITIVE = [
    "ping_interval",
    "ping_timeout",
    "upgrade_timeout",
    "connect_timeout",
    "max_http_buffer_size",
    "max_buffered_bytes",
]


@pytest.mark.parametrize("name", POSITIVE)
@pytest.mark.parametrize("value", [0, -1, -0.5, math.nan, "25", None, True, [1]], ids=repr)
def test_times_and_sizes_are_numbers_above_zero(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        Options.build({name: value})


@pytest.mark.parametrize("name", POSITIVE[:4])
def test_times_may_be_fractions_of_a_second(name: str) -> None:
    assert getattr(Options.build({name: 0.05}), name) == 0.05


@pytest.mark.parametrize("name", ["ping_interval", "ping_timeout"])
def test_a_time_that_never_ends_cannot_be_announced(name: str) -> None:
    """Engine.IO protocol, "Handshake": both are numbers of milliseconds in JSON."""
    with pytest.raises(ValueError, match=name):
        Options.build({name: math.inf})


def test_the_time_of_a_drain_may_be_none() -> None:
    assert Options.build({}).drain_seconds == 0
    assert Options.build({"drain_seconds": 0.5}).drain_seconds == 0.5


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "25", None, True], ids=repr)
def test_the_time_of_a_drain_is_a_number(value: object) -> None:
    with pytest.raises(ValueError, match="drain_seconds"):
        Options.build({"drain_seconds": value})


def test_attachments_may_be_forbidden() -> None:
    assert Options.build({"max_attachments": 0}).max_attachments == 0


@pytest.mark.parametrize("value", [-1, "10", None, math.nan, True], ids=repr)
def test_the_number_of_attachments_is_a_number(value: object) -> None:
    """CVE-2026-33151: a limit that cannot be compared would be found out by the first client."""
    with pytest.raises(ValueError, match="max_attachments"):
        Options.build({"max_attachments": value})


@pytest.mark.parametrize(
    ("transports", "words"),
    [
        pytest.param("websocket", "a list", id="a string"),
        pytest.param([], "a list", id="none"),
        pytest.param((), "a list", id="none at all"),
        pytest.param(["polling", "webtransport"], "'webtransport'", id="unknown"),
        pytest.param(["WebSocket"], "'WebSocket'", id="capitals"),
    ],
)
def test_transports_are_known_names(transports: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options.build({"transports": transports})


@pytest.mark.parametrize("path", ["", "socket.io", "socket.io/"])
def test_a_path_begins_with_a_slash(path: str) -> None:
    with pytest.raises(ValueError, match="slash"):
        Options.build({"path": path})


def test_old_clients_are_admitted_or_not() -> None:
    assert Options.build({}).allow_eio3 is False
    assert Options.build({"allow_eio3": True}).allow_eio3 is True
    for value in (None, 1, "yes", "false"):
        with pytest.raises(TypeError, match="allow_eio3 must be True or False"):
            Options.build({"allow_eio3": value})


def test_json_belongs_to_the_default_parser() -> None:
    with pytest.raises(ValueError, match="parser"):
        Options.build({"json": object(), "parser": object()})
    for name in ("json", "parser"):
        given = object()
        assert getattr(Options.build({name: given}), name) is given


def test_recovery_is_off_or_complete() -> None:
    for off in (None, False):
        assert Options.build({"connection_state_recovery": off}).recovery is None
    ways: list[Any] = [True, {}]
    for on in ways:
        options = Options.build({"connection_state_recovery": on}).recovery
        assert options == RecoveryOptions(120, True)
    some = Options.build({"connection_state_recovery": {"max_disconnection_duration": 0.5}})
    assert some.recovery == RecoveryOptions(max_disconnection_duration=0.5)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"max_disconnect_duration": 1}, TypeError),
        ({"max_disconnection_duration": 0}, ValueError),
        ({"max_disconnection_duration": True}, ValueError),
        ({"max_log_bytes": "much"}, ValueError),
        (120, TypeError),
    ],
)
def test_recovery_that_cannot_work_is_refused(given: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="connection_state_recovery"):
        Options.build({"connection_state_recovery": given})


@pytest.mark.parametrize("value", [False, None])
def test_compression_of_websockets_is_off_unless_it_is_asked_for(value: Any) -> None:
    assert DeflateSettings.build(Options().per_message_deflate) is None
    assert (
        DeflateSettings.build(Options.build({"per_message_deflate": value}).per_message_deflate)
        is None
    )


@pytest.mark.parametrize("value", [True, {}])
def test_compression_of_websockets_keeps_nothing_between_messages_by_default(value: Any) -> None:
    settings = DeflateSettings.build(value)
    assert settings == DeflateSettings()
    assert settings.threshold == 1024
    assert settings.server_no_context_takeover
    assert settings.client_no_context_takeover


def test_compression_of_websockets_can_be_tuned() -> None:
    given = {
        "threshold": 0,
        "server_no_context_takeover": False,
        "client_no_context_takeover": False,
        "server_max_window_bits": 8,
        "client_max_window_bits": 12,
        "level": 9,
        "mem_level": 1,
    }
    assert DeflateSettings.build(given) == DeflateSettings(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"treshold": 1}, "per_message_deflate: .*did you mean 'threshold'"),
        ({"serverNoContextTakeover": True}, "'server_no_context_takeover'"),
        ({"concurrency_limit": 10}, "'concurrency_limit'"),
        ("yes", "a boolean or a mapping"),
        (1, "a boolean or a mapping"),
    ],
)  # fmt: skip
def test_an_unknown_key_of_the_compression_is_answered_with_the_nearest(
    given: Any, words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        Options.build({"per_message_deflate": given})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("threshold", [-1, 1.5, "1024", None, True]),
        ("server_max_window_bits", [7, 16, None, True, "15"]),
        ("client_max_window_bits", [7, 16, None, True, False]),
        ("level", [-2, 10, 6.0]),
        ("mem_level", [0, 10, None]),
        ("server_no_context_takeover", [None, 1, "yes"]),
        ("client_no_context_takeover", [None, 0]),
    ],
)
def test_a_value_of_the_compression_has_a_range(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"per_message_deflate: {name}"):
            Options.build({"per_message_deflate": {name: value}})


@pytest.mark.parametrize(
    "name", ["add_trailing_slash", "allow_upgrades", "cleanup_empty_child_namespaces"]
)
@pytest.mark.parametrize("value", [None, 1, "yes", "false"], ids=repr)
def test_what_is_on_or_off_is_a_boolean(name: str, value: object) -> None:
    """A text from a configuration file, "false" for instance, would be on."""
    with pytest.raises(TypeError, match=f"{name} must be True or False"):
        Options.build({name: value})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"path": 5}, "path must be a string"),
        ({"path": None}, "path must be a string"),
        ({"serve_client": 5}, "serve_client must be True, False or a directory"),
        ({"serve_client": None}, "serve_client must be True, False or a directory"),
        ({"adapter": 5}, "adapter must be callable"),
        ({"cookie": 5}, "cookie must be True, a name or a mapping"),
        ({"cookie": ["io"]}, "cookie must be True, a name or a mapping"),
        ({"cookie": {"maxAge": 5}}, "did you mean 'max_age'"),
        ({"cookie": {"max_age": "5"}}, "cookie: max_age cannot be '5'"),
        ({"cookie": {"max_age": True}}, "cookie: max_age cannot be True"),
        ({"cookie": {"secure": "yes"}}, "cookie: secure cannot be 'yes'"),
        ({"cookie": {"path": None}}, "cookie: path cannot be None"),
        ({"http_compression": "yes"}, "http_compression must be a boolean or a mapping"),
        ({"http_compression": 1024}, "http_compression must be a boolean or a mapping"),
        ({"http_compression": {"treshold": 1}}, "did you mean 'threshold'"),
        ({"connection_state_recovery": {"skip_middlewares": "no"}}, "skip_middlewares must be"),
    ],
    ids=repr,
)
def test_a_value_of_another_type_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Options.build(given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"path": "/live?x=1"}, "path is a path only"),
        ({"transports": 5}, "transports must be a list"),
        ({"transports": [5]}, "unknown transport 5"),
        ({"cookie": ""}, "'' cannot be the name of a cookie"),
        ({"cookie": "a;b"}, "'a;b' cannot be the name of a cookie"),
        ({"cookie": {"name": "a b"}}, "'a b' cannot be the name of a cookie"),
        ({"cookie": {"samesite": "always"}}, "not 'always'"),
        ({"http_compression": {"threshold": -1}}, "threshold must be bytes, not -1"),
        ({"http_compression": {"threshold": "1"}}, "threshold must be bytes, not '1'"),
        ({"http_compression": {"threshold": 1.5}}, "threshold must be bytes, not 1.5"),
        ({"http_compression": {"threshold": True}}, "threshold must be bytes, not True"),
        ({"http_compression": {"threshold": None}}, "threshold must be bytes, not None"),
        ({"connection_state_recovery": {"max_log_bytes": 1.5}}, "whole number"),
    ],
    ids=repr,
)
def test_a_value_that_cannot_work_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options.build(given)


@pytest.mark.parametrize(
    "cookie",
    [
        None,
        False,
        True,
        "lb",
        {},
        {"name": "lb", "path": "/x", "domain": "a.b", "max_age": 5, "samesite": "none"},
        {"domain": None, "max_age": None, "samesite": None, "secure": True, "httponly": False},
    ],
    ids=repr,
)
def test_a_cookie_has_a_name_and_attributes(cookie: Any) -> None:
    assert Options.build({"cookie": cookie}).cookie == cookie


@pytest.mark.parametrize(
    ("option", "threshold"),
    [(True, 1024), (False, None), (None, None), ({}, 1024), ({"threshold": 0}, 0)],
    ids=repr,
)
def test_responses_are_compressed_from_a_size_on(option: Any, threshold: int | None) -> None:
    assert Options.build({"http_compression": option}).compression_threshold == threshold


@pytest.mark.parametrize("name", ["max_http_buffer_size", "max_buffered_bytes", "max_attachments"])
def test_a_count_may_be_written_as_a_float_without_a_fraction(name: str) -> None:
    found = getattr(Options.build({name: 5e7}), name)
    assert (type(found), found) == (int, 50_000_000)
    with pytest.raises(ValueError, match=name):
        Options.build({name: 5.5})


def test_the_counts_inside_options_may_be_floats_as_well() -> None:
    options = Options.build(
        {
            "http_compression": {"threshold": 2e3},
            "per_message_deflate": {"threshold": 1e3},
            "connection_state_recovery": {"max_log_bytes": 1e6},
            "cookie": {"max_age": 3.6e3},
        }
    )
    assert options.recovery is not None
    settings = DeflateSettings.build(options.per_message_deflate)
    assert settings is not None
    found = (options.compression_threshold, settings.threshold, options.recovery.max_log_bytes)
    assert found == (2000, 1000, 1_000_000)
    assert {type(value) for value in found} == {int}

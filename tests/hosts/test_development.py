"""What the keywords of development ask for, and the debugger around an application."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from flask_realtime.engine.shutdown import GRACE
from flask_realtime.hosts.development import Development, debugged


def build(**given: Any) -> Development:
    return Development.build(given)


@pytest.mark.parametrize(
    ("debug", "use_reloader", "reloads"),
    [
        (None, None, False),
        (False, None, False),
        (True, None, True),
        (True, False, False),
        (False, True, True),
    ],
)
def test_the_reloader_goes_with_debug_unless_it_is_chosen(
    debug: Any, use_reloader: Any, reloads: bool
) -> None:
    development = build(debug=debug, use_reloader=use_reloader)
    assert development.debug is bool(debug)
    assert (development.files is not None) is reloads


def test_a_program_that_is_being_written_ends_quickly() -> None:
    assert build().grace == GRACE
    assert build(debug=True, use_reloader=False).grace < 1
    assert build(use_reloader=True).grace < 1


def test_the_options_of_werkzeugs_reloader_are_known(tmp_path: Path) -> None:
    options = {"interval": 0.25, "reloader_type": "stat", "exclude_patterns": ["*/a.py"]}
    development = build(use_reloader=True, reloader_options=options, extra_files=[tmp_path])
    assert development.interval == 0.25


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"reloader_options": {"intervall": 1}}, TypeError, "did you mean 'interval'"),
        ({"reloader_options": {"xyzzy": 1}}, TypeError, "unknown option 'xyzzy'$"),
        ({"reloader_options": "stat"}, TypeError, "a mapping, not 'stat'"),
        ({"reloader_options": {"reloader_type": "magic"}}, ValueError, '"auto" or "stat"'),
        ({"reloader_options": {"interval": 0}}, ValueError, "seconds above 0"),
        ({"reloader_options": {"interval": "1"}}, ValueError, "seconds above 0"),
        ({"reloader_options": {"exclude_patterns": "*.py"}}, TypeError, "must be a list"),
        ({"extra_files": "settings.toml"}, TypeError, "must be a list"),
    ],
)
def test_a_wrong_value_raises_at_the_call(given: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        build(**given)


def test_watchdog_is_not_used_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert build(use_reloader=True, reloader_options={"reloader_type": "watchdog"}).files
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "watchdog" in record.getMessage()


@pytest.mark.parametrize("given", [{"debug": True}, {"use_reloader": True}])
def test_several_workers_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="one process"):
        build(workers=4, **given)
    assert build(workers=1, **given).is_on
    assert not build(workers=4).is_on


def broken(environ: Any, start_response: Any) -> list[bytes]:
    raise ZeroDivisionError("of the application")


def test_the_debugger_shows_what_an_application_raises() -> None:
    application = debugged(broken, build(debug=True), "127.0.0.1")
    response = Client(application).get("/")
    assert response.status_code == 500
    assert "ZeroDivisionError: of the application" in response.text
    assert "EVALEX = true" in response.text


def test_the_console_is_for_the_host_that_is_listened_on() -> None:
    application = debugged(broken, build(debug=True), "dev.example")
    assert "EVALEX = true" in Client(application).get("/", base_url="http://dev.example").text
    page = Client(application).get("/", base_url="http://a.example").text
    assert ("EVALEX = false" in page) is hasattr(application, "trusted_hosts")


def test_without_debug_there_is_no_debugger() -> None:
    assert debugged(broken, build(use_reloader=True), "127.0.0.1") is broken

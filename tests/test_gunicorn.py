"""The worker class for gunicorn; real ones are in tests/hosts/test_hosts.py."""

from __future__ import annotations

import pytest
from gunicorn.config import Config

from flask_realtime.gunicorn import RealtimeWorker
from tests.hosts.test_gunicorn_server import Lines, Worker

UNSERVED = {"proxy_protocol": True, "protocol": "uwsgi", "http_protocols": "h2"}


@pytest.mark.parametrize(
    ("setting", "value"),
    # Those that this gunicorn has.
    [(setting, value) for setting, value in UNSERVED.items() if setting in Config().settings],
)
def test_settings_that_need_the_parser_of_gunicorn_are_refused(setting: str, value: object) -> None:
    worker = Worker(**{setting: value})
    with pytest.raises(RuntimeError, match="RealtimeWorker cannot serve"):
        RealtimeWorker.check_config(worker.cfg, worker.log)


def test_hooks_that_are_not_called_are_a_line_of_the_log() -> None:
    worker = Worker()
    worker.log.error_log.addHandler(lines := Lines())
    try:
        RealtimeWorker.check_config(worker.cfg, worker.log)
        assert lines.lines == []
        worker.cfg.set("pre_request", lambda worker, request: None)
        RealtimeWorker.check_config(worker.cfg, worker.log)
    finally:
        worker.log.error_log.removeHandler(lines)
    (line,) = lines.lines
    assert "pre_request" in line

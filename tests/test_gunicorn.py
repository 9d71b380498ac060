"""The worker class for gunicorn; real ones are in tests/hosts/test_hosts.py."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

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


class Loading(Exception):
    """The process is patched, and the application comes next."""


class Early(RealtimeWorker):
    """A worker that is told to end while gevent is being loaded."""

    number = signal.SIGTERM

    def patch(self) -> None:
        os.kill(os.getpid(), self.number)
        raise Loading


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_at_the_beginning_of_a_worker_is_not_lost(number: signal.Signals) -> None:
    settings = Worker()
    worker = Early(1, os.getppid(), [], None, 30, settings.cfg, settings.log)
    worker.number = number
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    # As the master's, which a new process has.
    before = {one: signal.signal(one, lambda *_: None) for one in signals}
    try:
        with suppress(Loading):
            worker.init_process()
        assert not worker.alive
    finally:
        worker.tmp.close()
        for one, handler in before.items():
            signal.signal(one, handler)

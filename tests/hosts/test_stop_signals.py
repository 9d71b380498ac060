"""Signals that end ``run()``: the handlers before them are called, and come back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from gevent.monkey import get_original

from flask_realtime.hosts.stop_signals import StopSignals
from tests.fakes import wait_until


class Listener:
    """Counts the calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *args: object) -> None:
        self.calls += 1


@pytest.fixture
def own() -> Iterator[Listener]:
    """A handler of the application."""
    listener = Listener()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, listener)
    yield listener
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_stops_and_is_passed_on(own: Listener) -> None:
    stop = Listener()
    signals = StopSignals(stop)
    signals.install()
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: stop.calls)
    assert own.calls == 1
    signals.restore()
    signals.restore()
    assert signal.getsignal(signal.SIGTERM) is own
    assert signal.getsignal(signal.SIGINT) is own
    assert signals.raised is None


def received(signals: StopSignals, *numbers: signal.Signals) -> None:
    signals.install()
    for number in numbers:
        # As the kernel would: the test must not be ended by a second SIGINT.
        handler = signal.getsignal(number)
        assert callable(handler)
        handler(number, None)
    signals.restore()


def test_one_sigterm_leaves_time_and_so_do_several_at_once(own: Listener) -> None:
    stop, hurry = Listener(), Listener()
    received(StopSignals(stop, hurry), signal.SIGTERM, signal.SIGTERM)
    wait_until(lambda: stop.calls == 2)
    assert hurry.calls == 0


def test_a_sigterm_that_follows_later_leaves_none(
    own: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_realtime.hosts.stop_signals.ONE_SIGNAL", 0.0)
    stop, hurry = Listener(), Listener()
    received(StopSignals(stop, hurry), signal.SIGTERM, signal.SIGTERM)
    wait_until(lambda: hurry.calls == 1)


def test_sigint_leaves_no_time(own: Listener) -> None:
    stop, hurry = Listener(), Listener()
    received(StopSignals(stop, hurry), signal.SIGINT)
    wait_until(lambda: stop.calls == 1)
    assert hurry.calls == 1


def test_a_handler_that_raises_does_not_keep_it_from_stopping(own: Listener) -> None:
    def leave(*args: object) -> None:
        raise SystemExit(3)

    signal.signal(signal.SIGTERM, leave)
    stop = Listener()
    signals = StopSignals(stop)
    signals.install()
    os.kill(os.getpid(), signal.SIGTERM)
    wait_until(lambda: stop.calls)
    signals.restore()
    assert isinstance(signals.raised, SystemExit)


def test_another_interrupt_ends_the_process_after_a_last_call() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signals = StopSignals(Listener(), at_once=lambda: os.write(writer, b"last"))
        signals.install()
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            os.kill(os.getpid(), signal.SIGINT)
        os._exit(0)
    os.close(writer)
    assert os.waitpid(child, 0)[1] == signal.SIGINT
    assert os.read(reader, 100) == b"last"
    os.close(reader)


def test_another_thread_has_no_handlers(own: Listener) -> None:
    done: list[bool] = []

    def install() -> None:
        signals = StopSignals(Listener())
        signals.install()
        signals.restore()
        done.append(True)

    get_original("_thread", "start_new_thread")(install, ())
    wait_until(lambda: done)
    assert signal.getsignal(signal.SIGTERM) is own

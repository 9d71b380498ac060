"""Which functions of middlewares hand on what the host's own would do."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import flask
import pytest

from flask_realtime.errors import WriteKept
from flask_realtime.hosts.gunicorn_socket import GunicornSocket
from flask_realtime.hosts.owners import owner_of
from tests.fakes import Answer


class Wrapper:
    """A ``write`` that is an object; it knows itself as well."""

    def __init__(self, write: Any) -> None:
        self.own, self.write = self, write

    def __call__(self, data: bytes) -> Any:
        return self.write(data)

    def on_data(self, data: bytes) -> Any:
        return self.write(data)


def wrapped(write: Any) -> Any:
    @functools.wraps(write)
    def function(data: bytes) -> None:
        del data

    return function


class Thorny:
    """An object whose attributes cannot be read."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __call__(self) -> None:
        """Do nothing."""


def beside(*things: Any) -> Any:
    first, second, third, write = things

    def function(data: bytes) -> Any:
        assert (first, second, third) is not None
        return write(data)

    return function


class Record:
    """Not the host, although it can write."""

    def __init__(self) -> None:
        self.items = [self.write] * 1000
        self.__dict__.update({f"a{number}": partial(print, number) for number in range(1000)})

    def write(self, data: bytes) -> None:
        """Keep it."""


#: What a middleware may return from `start_response`; those of the first hand on what is written.
PASSING: dict[str, Callable[[Any], Any]] = {
    "the host's own": lambda write: write,
    "a function": lambda write: lambda data: write(data),
    "a partial": lambda write: partial(write),
    "an object": Wrapper,
    "a method": lambda write: Wrapper(write).on_data,
    "a wrapped function": wrapped,
    "beside a proxy": lambda write: beside(flask.request, flask.g, Thorny(), write),
    "three of them": lambda write: Wrapper(partial(lambda data: write(data))),
}
KEEPING: dict[str, Callable[[Any], Any]] = {
    "a list": lambda write: [].append,
    "a buffer": lambda write: io.BytesIO().write,
    "a function": lambda write: lambda data: None,
    "an object": lambda write: Wrapper(Record().write),
    "a builtin": lambda write: print,
    "nothing": lambda write: None,
}


@pytest.mark.parametrize("way", PASSING)
def test_a_write_that_calls_the_hosts_is_known(way: str) -> None:
    answer = Answer()
    assert owner_of(PASSING[way](answer.write), "write", lambda owner: owner is answer) is answer


@pytest.mark.parametrize("way", KEEPING)
def test_a_write_that_keeps_what_is_written_is_known(way: str) -> None:
    answer = Answer()
    kept = KEEPING[way](answer.write)
    assert owner_of(kept, "write", lambda owner: owner is answer) is None
    answer.sock = object()

    def start_response(*args: Any) -> Any:
        return KEEPING[way](answer.start_response(*args))

    found = GunicornSocket(answer.sock, io.BytesIO(), start_response)
    with pytest.raises(WriteKept):
        found.switch_protocols([("Upgrade", "websocket")])

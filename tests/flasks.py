"""Flask applications with their clients, inside this process."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from flask_realtime import Realtime
from flask_realtime.loop.scheduler import Scheduler
from flask_realtime.testing import ManualTime
from tests.clients import Network

__all__ = ["FlaskWorld", "MakeFlask", "flask_world", "make_flask"]


class FlaskWorld:
    """An application and its extension; clients come through the application."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask(__name__)
        self.app.secret_key = "a secret of the tests"
        self.time = ManualTime()
        options["scheduler"] = Scheduler(self.time, self.time)
        self.io = Realtime(**options)
        self.io.init_app(self.app)
        self.network = Network(self.app)


MakeFlask = Callable[..., FlaskWorld]


@pytest.fixture
def make_flask(quiet_hub: io.StringIO) -> Iterator[MakeFlask]:
    """Make applications; what their clients opened is closed after the test."""
    made: list[FlaskWorld] = []

    def make(**options: Any) -> FlaskWorld:
        made.append(FlaskWorld(**options))
        return made[-1]

    yield make
    for world in made:
        world.network.close()


@pytest.fixture
def flask_world(make_flask: MakeFlask) -> FlaskWorld:
    return make_flask()

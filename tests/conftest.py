"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

from tests.flasks import flask_world, make_flask
from tests.worlds import engine, make_engine, make_server, quiet_hub, server

__all__ = [
    "engine",
    "flask_world",
    "make_engine",
    "make_flask",
    "make_server",
    "quiet_hub",
    "server",
]

# The same examples in every run, however slow the machine is.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")

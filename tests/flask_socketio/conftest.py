"""Fixtures: an application with the extension, and clients of it."""

from __future__ import annotations

import pytest

from tests.flask_socketio.worlds import World


@pytest.fixture
def world() -> World:
    """An application with the default options."""
    return World()

"""Fixtures of the tests of the testing tools."""

from tests.testing.apps import transport, world

__all__ = ["transport", "world"]

"""A plugin of pytest: ``pytest_plugins = ["flask_realtime.testing.pytest"]``.

Beside the fixture there are contracts, suites that an adapter or a bus of your own passes:
:class:`.adapter_contract.AdapterContract` and :class:`.bus_contract.BusContract`.

PYTEST_DONT_REWRITE: nothing is asserted here. Without this word pytest warns when a suite was
imported before ``pytest_plugins`` was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from ..client import TestClient

__all__ = ["MakeClient", "realtime_client"]


class MakeClient(Protocol):
    """What the fixture ``realtime_client`` is."""

    def __call__(self, app: Any = None, namespace: str = "/", **options: Any) -> TestClient:
        """Return a client that has connected.

        Args:
            app: What :class:`~flask_realtime.testing.TestClient` takes; the value of the
                fixture ``app`` by default.
            namespace: The namespace that it joins.
            options: The keywords of the client.
        """


@pytest.fixture
def realtime_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """Make test clients, as many as the test needs; they are disconnected after it."""
    with ExitStack() as stack:

        def make(app: Any = None, namespace: str = "/", **options: Any) -> TestClient:
            if app is None:
                app = request.getfixturevalue("app")
            client = TestClient(app, namespace, **options)
            stack.callback(client.disconnect)
            return client

        yield make

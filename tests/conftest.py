"""What all tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
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
    "quiet_watch",
    "server",
]

# The same examples in every run, however slow the machine is.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def quiet_watch(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep out of other tests' logs that a busy machine has held up their hub."""

    def keep(record: logging.LogRecord) -> bool:
        return request.path.name in {"test_hub_watch.py", "test_work.py"}

    logger = logging.getLogger("flask_realtime.loop.hub_watch")
    logger.addFilter(keep)
    yield
    logger.removeFilter(keep)


TESTS = Path(__file__).resolve().parent
#: What talks to Node.js, Chromium, Redis, nginx, or to servers in processes of their own.
PEERS = tuple(
    TESTS / name
    for name in (
        "adapters/redis",
        "adapters/test_sentinel.py",
        "benchmarks",
        "browser",
        "cluster",
        "hosts",
        "interop",
        "test_compiled.py",
        "test_docs.py",
        "test_packages.py",
        "test_site.py",
    )
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only what Python alone can run")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("--quick") and collection_path in PEERS else None


#: What loads or times the whole machine: never two of them at the same time.
HEAVY = ("tests/benchmarks/", "tests/hosts/workers/", "tests/test_compiled.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n`` a file's tests stay in one process, where they share servers."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return "heavy" if path.startswith(HEAVY) else path

    return Files(config, log)

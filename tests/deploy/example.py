"""The files of examples/deploy, and what they say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.processes import ROOT
from tests.redis_server import RedisServer

FOLDER = ROOT / "examples" / "deploy"
# Where Redis is, as seen from the example.
_REDIS = re.compile(r"(127\.0\.0\.1|redis):6379")


def text(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def env_file() -> dict[str, str]:
    lines = [line for line in text("realtime.env").splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def number(pattern: str, source: str) -> int:
    """The only number that a pattern finds."""
    (found,) = re.findall(pattern, source)
    return int(found)


def environment(
    home: Path, adapter: str, redis: RedisServer, more: Mapping[str, str]
) -> dict[str, str]:
    """What a process of the example has, with a home and a Redis of its own."""
    adapter, count = _REDIS.subn(redis.url.partition("//")[2], adapter)
    assert count == 1
    places = {"HOME": str(home), "XDG_RUNTIME_DIR": "", "PYTHONPATH": f"{FOLDER}:{ROOT}"}
    return {**env_file(), "FLASK_REALTIME_ADAPTER": adapter, **places, **more}

"""The Dockerfile and the compose file of examples/deploy: what they run, run without containers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from flask_realtime.options import Options
from tests.deploy import example
from tests.hosts.conftest import GUNICORN_READY
from tests.processes import ROOT, ServerProcess, eventually, free_port, python
from tests.redis_server import RedisServer

PROGRAMS = {"python": [sys.executable], "gunicorn": python("-m", "gunicorn")}


def instructions() -> list[tuple[str, str]]:
    """The lines of the Dockerfile: an instruction and its arguments."""
    lines = example.text("Dockerfile").replace("\\\n", "").splitlines()
    pairs = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(name, " ".join(rest.split())) for name, _, rest in pairs]


def argument(wanted: str) -> str:
    (found,) = [rest for name, rest in instructions() if name == wanted]
    return found


def command(words: str, port: int) -> list[str]:
    """A command in its JSON form, to be run here, on another port and with fewer workers."""
    name, *rest = json.loads(words)
    rest = ["2" if word == "4" else word.replace("5000", str(port)) for word in rest]
    return [*PROGRAMS[name], *rest]


def test_what_is_copied_is_there() -> None:
    copied = [rest.split()[0] for name, rest in instructions() if name == "COPY"]
    assert copied == ["requirements.txt", "web.py"]
    assert all((example.FOLDER / name).exists() for name in copied)


def test_it_does_not_run_as_root() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", argument("USER"))


def test_the_requirements_can_be_had() -> None:
    assert "-r requirements.txt" in argument("RUN")
    pip = python("-m", "pip", "install", "--dry-run", "--no-index", "--disable-pip-version-check")
    done = subprocess.run(
        [*pip, "-r", str(example.FOLDER / "requirements.txt")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    # All extras that it names exist, and are installed for these tests.
    assert done.returncode == 0, done.stderr
    assert "does not provide the extra" not in done.stderr


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture
def container(port: int, redis: RedisServer, tmp_path: Path) -> Iterator[ServerProcess]:
    (adapter,) = re.findall(r"FLASK_REALTIME_ADAPTER: (.+)", example.text("compose.yaml"))
    env = example.environment(tmp_path, adapter, redis, {})
    start = [word.replace("0.0.0.0", "127.0.0.1") for word in command(argument("CMD"), port)]
    with ServerProcess(start, ready=GUNICORN_READY, env=env) as server:
        yield server


def test_the_command_serves_and_the_check_of_its_health_passes(
    container: ServerProcess, port: int
) -> None:
    _, _, words = argument("HEALTHCHECK").partition("CMD ")
    check = command(words, port)

    def is_healthy() -> bool:
        return subprocess.run(check, capture_output=True, timeout=30, check=False).returncode == 0

    eventually(is_healthy, within=30, what=container.report())
    eventually(lambda: requests.get(f"{container.url}/readyz", timeout=5).ok, within=30)
    container.stop()
    assert not is_healthy()
    # The times that are set for them fit.
    assert "drain_seconds" not in container.stderr


def test_the_containers_are_given_time_to_stop() -> None:
    (graceful,) = re.findall(r'"--graceful-timeout", "(\d+)"', argument("CMD"))
    grace = example.number(r"stop_grace_period: (\d+)s", example.text("compose.yaml"))
    assert grace > int(graceful)


def test_nginx_knows_the_containers_and_they_the_files() -> None:
    compose = example.text("compose.yaml")
    services = set(re.findall(r"^  (\w+): \*web$", compose, re.MULTILINE))
    upstreams = re.findall(r"^    server (\w+):(\d+)", example.text("nginx.conf"), re.MULTILINE)
    assert {name for name, _ in upstreams} == services
    assert {number for _, number in upstreams} == {argument("EXPOSE")}
    for mounted in ("nginx.conf", "realtime.env"):
        assert mounted in compose
        assert (example.FOLDER / mounted).exists()
    settings = re.findall(r"FLASK_REALTIME_(\w+)[:=]", compose)
    assert {name.lower() for name in settings} <= Options.names()


def test_probes_ask_for_what_the_application_answers() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    paths = set(re.findall(r"path: (/\w+)", page))
    assert paths == {"/livez", "/readyz"}
    assert paths <= set(re.findall(r'@app\.get\("(.+)"\)', example.text("web.py")))
    assert "/livez" in argument("HEALTHCHECK")
    seconds = example.number(r"terminationGracePeriodSeconds: (\d+)", page)
    pause = example.number(r'command: \[sleep, "(\d+)"\]', page)
    (graceful,) = re.findall(r'"--graceful-timeout", "(\d+)"', argument("CMD"))
    assert seconds > pause + int(graceful)


def test_redis_is_started_with_options_that_it_has(redis: RedisServer) -> None:
    (words,) = re.findall(r"command: (\[\"redis-server.+\])", example.text("compose.yaml"))
    for option in json.loads(words)[1::2]:
        assert redis.client.config_get(option.removeprefix("--"))

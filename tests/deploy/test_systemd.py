"""The units of examples/deploy: they are well formed, and their command behaves as they say."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from flask_realtime.hosts.gunicorn import time_to_spread
from flask_realtime.options import Options
from tests.deploy import example
from tests.deploy.crowd import Crowd, counting
from tests.processes import ServerProcess, eventually, python
from tests.redis_server import RedisServer

CLIENTS, SECONDS = 8, 2
GUNICORN = "/srv/realtime/.venv/bin/gunicorn"
# What systemd does for a socket unit: descriptor 3 listens.
ACTIVATE = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print("listening", listener.getsockname()[1], flush=True)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
"""


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(example.text(name))
    return parser


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    return unit("realtime.service")["Service"]


def test_the_units_belong_together() -> None:
    assert unit("realtime.service")["Unit"]["Requires"] == "realtime.socket"
    port = unit("realtime.socket")["Socket"]["ListenStream"]
    assert f"web1:{port}" in example.text("nginx.conf")


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        return  # the next tests read the keys that matter
    for name in ("realtime.service", "realtime.socket"):
        source = example.text(name).replace(GUNICORN, sys.executable)
        (tmp_path / name).write_text(source, "utf-8")
    done = subprocess.run(
        [program, "--man=no", "verify", str(tmp_path / "realtime.service")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "realtime" not in done.stderr


def test_each_time_fits_into_the_next_one(service: configparser.SectionProxy) -> None:
    graceful = example.number(r"--graceful-timeout (\d+)", service["ExecStart"])
    assert int(service["TimeoutStopSec"]) > graceful
    drain = float(example.env_file()["FLASK_REALTIME_DRAIN_SECONDS"])
    assert time_to_spread(drain, graceful) == drain


def test_there_are_descriptors_for_all_clients(service: configparser.SectionProxy) -> None:
    connections = example.number(r"--worker-connections (\d+)", service["ExecStart"])
    assert int(service["LimitNOFILE"]) > 2 * connections


def test_the_settings_are_options() -> None:
    settings = "\n".join(example.text(name) for name in ("realtime.env", "realtime.service"))
    options = {name.lower() for name in re.findall(r"FLASK_REALTIME_(\w+)=", settings)}
    assert len(options) == 3
    assert options <= Options.names()


@contextmanager
def started(
    service: configparser.SectionProxy, redis: RedisServer, folder: Path
) -> Iterator[ServerProcess]:
    """Run the command of the unit as systemd does, up to the word that it is ready."""
    command = shlex.split(service["ExecStart"])
    assert command[0] == GUNICORN
    name, _, adapter = service["Environment"].partition("=")
    assert name == "FLASK_REALTIME_ADAPTER"
    ready = folder / "notify"
    more = {"NOTIFY_SOCKET": str(ready), "FLASK_REALTIME_DRAIN_SECONDS": str(SECONDS)}
    env = example.environment(folder, adapter, redis, more)
    # Fewer workers: the machine that runs the tests is a small one.
    words = ["2" if word == "4" else word for word in command[1:]]
    run = python("-c", ACTIVATE, *python("-m", "gunicorn"), *words)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(ready))
        notified.settimeout(30)
        with ServerProcess(run, env=env) as server:
            assert service["Type"] == "notify"
            while b"READY=1" not in notified.recv(4096):
                pass
            yield server


def is_ready(server: ServerProcess) -> bool:
    return requests.get(f"{server.url}/readyz", timeout=10).ok


def test_a_reload_moves_the_clients_one_by_one_and_a_stop_is_in_time(
    service: configparser.SectionProxy, redis: RedisServer, tmp_path: Path
) -> None:
    assert service["ExecReload"].split()[:3] == ["/bin/kill", "-s", "HUP"]
    with started(service, redis, tmp_path) as server:
        eventually(lambda: is_ready(server), within=30, what="a server that is ready")
        with Crowd(server.url, CLIENTS) as crowd, counting(redis.url) as numbers:
            server.signal(signal.SIGHUP)
            crowd.come_back()
            slices = crowd.slices(SECONDS / 4)
            assert len(slices) >= 2, slices
            crowd.received_all(numbers.end())
            server.request_end()
            assert server.wait(within=float(service["TimeoutStopSec"])) == 0
            eventually(lambda: len(crowd.said("gone")) == 2 * CLIENTS, what=crowd.report())
        assert not server.has_traceback, server.report()
        assert "graceful timeout" not in server.stderr

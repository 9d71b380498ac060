"""The commands."""

from __future__ import annotations

import urllib.request
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

from flask_realtime import Realtime
from flask_realtime.cli import group, program
from flask_realtime.flask_socketio import SocketIO
from tests.processes import Process, ServerProcess, eventually, python

READY = r"Running on http://127\.0\.0\.1:(\d+)"
FACTORY = """
from gevent import monkey; monkey.patch_all()
from flask import Flask
from flask_realtime import Realtime

def create_app():
    app = Flask(__name__)
    Realtime(app)

    @app.get("/")
    def index():
        return "{version} " + str(app.debug)

    return app
"""


def test_flasks_own_program_has_the_group() -> None:
    app = Flask(__name__)
    app.cli.add_command(group)
    SocketIO(app, async_mode="threading")
    result = app.test_cli_runner().invoke(args=["realtime", "doctor"])
    assert result.exit_code == 0
    assert result.output.startswith("async_mode='threading'")
    assert "1 to look at" in result.output


def test_routes_prints_a_table_and_what_it_cannot_know() -> None:
    app = Flask(__name__)
    app.cli.add_command(group)
    io = Realtime(app)
    io.on("connection", lambda socket: None)
    result = app.test_cli_runner().invoke(args=["realtime", "routes"])
    assert result.exit_code == 0
    head, _, route, _, note = result.output.splitlines()
    assert head.split() == ["Namespace", "Event", "Function", "Place"]
    assert route.split()[:2] == ["/", "connection"]
    assert "socket.on()" in note


@pytest.mark.parametrize("command", ["routes", "run"])
def test_an_application_without_a_server_is_told_how_to_get_one(command: str) -> None:
    app = Flask(__name__)
    app.cli.add_command(group)
    result = app.test_cli_runner().invoke(args=["realtime", command])
    assert result.exit_code == 1
    assert "Realtime(app)" in result.output


def test_run_hands_its_options_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FLASK_DEBUG", raising=False)
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.touch()
    key.touch()
    given: list[Any] = []

    class Recorded(Realtime):
        def run(self, *args: Any, **keywords: Any) -> None:
            given.append((*args[1:], keywords))

    app = Flask(__name__)
    app.cli.add_command(group)
    Recorded(app)
    runner = app.test_cli_runner(env={"FLASK_RUN_PORT": "5005"})
    assert runner.invoke(args=["realtime", "run"]).exit_code == 0
    arguments = ["-h", "::1", "-p", "0", "--no-reload", "--cert", str(cert), "--key", str(key)]
    assert runner.invoke(args=["realtime", "run", *arguments]).exit_code == 0
    none: dict[str, Any] = {"use_reloader": None, "certfile": None, "keyfile": None}
    some = {"use_reloader": False, "certfile": str(cert), "keyfile": str(key)}
    assert given == [("127.0.0.1", 5005, none), ("::1", 0, some)]
    result = runner.invoke(args=["realtime", "run", "--key", str(key)])
    assert result.exit_code == 2
    assert "--key needs --cert" in result.output


def test_flasks_program_serves_a_factory_and_reloads_it(tmp_path: Path) -> None:
    module = tmp_path / "made.py"
    module.write_text(FACTORY.replace("{version}", "one"), encoding="utf-8")
    # As installed: without the metadata, the entry point is added by hand.
    main = "from flask.cli import cli; from flask_realtime.cli import group; "
    main += "cli.add_command(group); cli()"
    command = python("-c", main, "--app", "made", "realtime", "run", "-p", "0", "--debug")
    with ServerProcess(command, ready=READY, env={"PYTHONPATH": str(tmp_path)}) as server:
        assert get(server.url) == "one True"
        assert get(f"{server.url}/socket.io/?EIO=4&transport=polling").startswith("0{")
        server.wait_for(r'"GET / HTTP/1\.1" 200')
        module.write_text(FACTORY.replace("{version}", "two"), encoding="utf-8")
        eventually(lambda: answer_of(server.url) == "two True", within=20)
        assert server.terminate() == 0


def answer_of(url: str) -> str:
    """What is answered; nothing by a program that ends at that moment."""
    try:
        return get(url)
    except OSError:
        return ""


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as response:
        body: bytes = response.read()
    return body.decode()


def test_the_group_is_an_entry_point() -> None:
    found = [item for item in entry_points(group="flask.commands") if item.name == "realtime"]
    assert [item.value for item in found] in ([], ["flask_realtime.cli:group"])


def test_the_module_is_a_program(tmp_path: Path) -> None:
    program_text = (
        "from flask import Flask\n"
        "from flask_realtime.flask_socketio import SocketIO, emit\n"
        "app = Flask(__name__)\n"
        "io = SocketIO(app)\n"
        "io.on_event('x', lambda: emit('y', to=0))\n"
    )
    (tmp_path / "legacy.py").write_text(program_text, encoding="utf-8")
    command = python("-m", "flask_realtime", "doctor", "legacy:app")
    with Process(command, {"PYTHONPATH": str(tmp_path)}) as run:
        assert run.wait() == 0, run.report()
    assert "legacy.py:5 to=0" in run.stdout


@pytest.mark.parametrize(
    ("target", "says"), [("json:app", "has no app"), ("flask:Flask", "no Soc")]
)
def test_what_is_not_an_application_is_refused(target: str, says: str) -> None:
    result = CliRunner().invoke(program, ["doctor", target])
    assert result.exit_code == 1
    assert says in result.output

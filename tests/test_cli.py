"""The commands."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from flask_realtime.cli import group, program
from flask_realtime.flask_socketio import SocketIO
from tests.processes import Process, python


def test_flasks_own_program_has_the_group() -> None:
    app = Flask(__name__)
    app.cli.add_command(group)
    SocketIO(app, async_mode="threading")
    result = app.test_cli_runner().invoke(args=["realtime", "doctor"])
    assert result.exit_code == 0
    assert result.output.startswith("async_mode='threading'")
    assert "1 to look at" in result.output


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

"""The commands: ``flask realtime …``, and the same as ``python -m flask_realtime …``."""

from __future__ import annotations

import importlib
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

__all__ = ["group", "program"]

group: AppGroup = AppGroup("realtime", help="Commands of flask_realtime.")


@group.command("doctor")
def doctor() -> None:
    """Say what differs for an application of Flask-SocketIO."""
    app: Any = current_app
    _report(app)


@click.group()
def program() -> None:
    """Commands of flask_realtime."""


@program.command("doctor")
@click.argument("application", metavar="MODULE:APP")
def doctor_of(application: str) -> None:
    """Say what differs for an application of Flask-SocketIO.

    The module is imported, and its application is not served.
    """
    module, _, name = application.partition(":")
    found = getattr(importlib.import_module(module), name or "app", None)
    if found is None:
        raise click.ClickException(f"{module} has no {name or 'app'}")
    _report(found)


def _report(app: Any) -> None:
    # Flask loads this module for each of its commands.
    from .flask_socketio.doctor import examine

    try:
        lines = examine(app)
    except LookupError as error:
        raise click.ClickException(str(error)) from None
    for line in lines:
        click.echo(line)
    click.echo(f"{len(lines)} to look at; docs/flask-socketio.md has the rest of what differs")

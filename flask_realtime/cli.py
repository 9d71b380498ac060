"""The commands: ``flask realtime …``, and the same as ``python -m flask_realtime …``."""

from __future__ import annotations

import importlib
import os
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup, ScriptInfo, pass_script_info

__all__ = ["group", "program"]

group: AppGroup = AppGroup("realtime", help="Commands of flask_realtime.")


def _set_debug(context: click.Context, option: click.Parameter, value: bool | None) -> None:
    # As `flask run --debug`: a factory sees it.
    if value is not None:
        os.environ["FLASK_DEBUG"] = "1" if value else "0"


@group.command("run", with_appcontext=False)
@click.option(
    *("--host", "-h"), envvar="FLASK_RUN_HOST", default="127.0.0.1", show_default=True,
    help="The address to listen on.",
)  # fmt: skip
@click.option(
    *("--port", "-p"), envvar="FLASK_RUN_PORT", default=5000, show_default=True,
    help="The port; 0 takes a free one.",
)  # fmt: skip
@click.option(
    "--debug/--no-debug", default=None, expose_value=False, is_eager=True, callback=_set_debug,
    help="Show exceptions in the browser, write an access log, and reload.",
)  # fmt: skip
@click.option(
    "--reload/--no-reload", default=None, help="Start again when a file changes; as --debug."
)
@click.option("--cert", type=click.Path(dir_okay=False, exists=True), help="A certificate: HTTPS.")
@click.option("--key", type=click.Path(dir_okay=False, exists=True), help="Its key.")
@pass_script_info
def run(
    info: ScriptInfo, host: str, port: int, reload: bool | None, cert: str | None, key: str | None
) -> None:
    """Serve the application, its WebSockets included."""
    if key is not None and cert is None:
        raise click.UsageError("--key needs --cert")
    app = info.load_app()
    _server_of(app).run(app, host, port, use_reloader=reload, certfile=cert, keyfile=key)


@group.command("routes")
def routes() -> None:
    """Show which function handles which event, and where it is."""
    from .routes import routes_of, table

    app: Any = current_app
    found = routes_of(_server_of(app), app.extensions.get("socketio"))
    for line in table(found):
        click.echo(line)
    click.echo("\nWhat a connection handler registers with socket.on() is known per client only.")


def _server_of(app: Any) -> Any:
    server = app.extensions.get("realtime")
    if server is None:
        raise click.ClickException(
            "this application has no server: Realtime(app), or io.init_app(app), gives it one"
        )
    return server


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

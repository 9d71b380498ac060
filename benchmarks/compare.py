"""Compare the CPU time and memory of our server with Node's socket.io, side by side in one run.

    python benchmarks/compare.py --help

Prints a Markdown table. README.md beside this file describes the method.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from comparison import (
    Answer,
    Turn,
    add_choice,
    allow_connections,
    conclude,
    durations,
    kept,
    machine,
    note,
    note_cores,
    option_parser,
    server_environment,
    take_turns,
    write_json,
)
from compiled import compiled_package
from peers import peer_python
from processes import (
    HERE,
    BenchmarkError,
    Cores,
    Server,
    choose_cores,
    load_generator,
    run_load,
    serve,
    versions,
)
from report import COMPILED, NODE, OURS, Result, as_json, markdown, side_by_side
from rows import ROWS, App, Generator, Row

SERVERS = HERE / "servers"
BUN = "Bun socket.io"
PYTHON_SOCKETIO = "python-socketio"
FLASK_SOCKETIO = "Flask-SocketIO"
# After the warm-up the server still has to close its connections; that is not measured.
SETTLE_SECONDS = 0.3
# Engines that compile while they run need that many times the warm-up of the others.
COMPILING = 4
# To see that a row works, no more connections are needed.
SMOKE_CONNECTIONS = 20
# Rows that need a package more; they are left out where it is missing.
OPTIONAL = (App.GUNICORN, App.WORKER_CLASS)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server of the comparison.

    Attributes:
        name: As in the tables.
        commands: What starts it, without the port; it has no part in the rows of other apps.
        warm_up: How many times the warm-up it needs.
    """

    name: str
    commands: Mapping[App, Sequence[str]]
    warm_up: float = 1


@dataclass(frozen=True, slots=True)
class Lab:
    """What all measurements of a run share."""

    serve: Callable[[Sequence[str]], AbstractContextManager[Server]]
    generators: Mapping[Generator, Sequence[str]]
    cores: Cores
    env: Mapping[str, str]
    rounds: int
    seconds: float
    warm_up: float

    def measure(self, row: Row, command: Sequence[str], warm_up: float = 1) -> Answer:
        """Start a server, warm it up, load it, and return the load generator's answer."""
        with self.serve(command) as server:

            def load(seconds: float) -> Answer:
                generator = self.generators[row.generator]
                return run_load(generator, row.load, server, seconds, self.cores.load)

            if row.warm_up and self.warm_up:
                load(self.warm_up * warm_up)
                time.sleep(SETTLE_SECONDS)
            return load(self.seconds)

    def compare(self, row: Row, contestants: Sequence[Contestant]) -> list[Result]:
        """Measure all contestants in turn, round after round."""
        turns = [
            Turn(one.name, [row], partial(self.measure, row, command, one.warm_up))
            for one in contestants
            if (command := one.commands.get(row.app)) is not None
        ]
        return take_turns(turns, self.rounds)


def main() -> int:
    """Run the comparison; return the exit status."""
    options = parse_options()
    return conclude(lambda: run(options), options.check)


@contextmanager
def laboratory(options: argparse.Namespace) -> Iterator[Lab]:
    """Yield what all measurements of a run share; it ends the servers that are used for several."""
    env, cores = server_environment(), choose_cores()
    note_cores(cores)

    def start(command: Sequence[str]) -> AbstractContextManager[Server]:
        return serve(command, env, cores.server)

    with ExitStack() as stack:
        starter = kept(stack, start) if options.smoke else start
        yield Lab(starter, generators(), cores, env, *durations(options))


def run(options: argparse.Namespace) -> list[Result]:
    """Measure the chosen rows and print them."""
    with laboratory(options) as lab:
        contestants = choose_contestants(options, lab.env)
        rows = choose_rows(options, contestants[1], lab.env)
        allow_connections(max(row.connections for row in rows))
        environment = describe(lab, contestants, rows)
        if options.ours is not None:
            environment[f"in place of {OURS}"] = options.ours
        results = [result for row in rows for result in lab.compare(row, contestants)]
    if options.smoke:
        print(f"{len(results)} rows run; numbers of {lab.seconds:g} s say nothing else")
    else:
        show(results, [contestant.name for contestant in contestants])
        print("\n" + "; ".join(f"{key}: {value}" for key, value in environment.items()))
    if options.json is not None:
        write_json(options.json, as_json(results, environment))
    return results


def show(results: Sequence[Result], names: Sequence[str]) -> None:
    """Print the tables with the targets, and the one for users if there are others to compare."""
    print(markdown(results))
    if COMPILED in names:
        print("\n" + markdown([replace(result, ours=COMPILED) for result in results]))
    others = [name for name in names if name not in (OURS, NODE)]
    if others:
        print("\n" + side_by_side(results, [OURS, *others, NODE]))


def generators() -> dict[Generator, Sequence[str]]:
    """Return the commands of the load generators."""
    official = ("node", str(HERE / "official.mjs"))
    return {Generator.COMPILED: load_generator(), Generator.OFFICIAL: official}


def choose_contestants(options: argparse.Namespace, env: Mapping[str, str]) -> list[Contestant]:
    """Return Node, ours and perhaps others, in the order they take turns."""
    node = ("node", str(SERVERS / "node.js"))
    return [
        Contestant(NODE, dict.fromkeys(App, node), COMPILING),
        ours(options),
        *([compiled(ours(options))] if options.compiled else ()),
        *bun(env),
        *(python_peers() if options.python_peers else ()),
    ]


def ours(options: argparse.Namespace) -> Contestant:
    """Return our server, or the one in its place."""
    if options.ours is not None:
        return Contestant(OURS, dict.fromkeys(App, tuple(shlex.split(options.ours))))

    def script(name: str, *more: str) -> tuple[str, ...]:
        flags = ("--no-orjson",) if options.no_orjson else ()
        return sys.executable, str(SERVERS / name), *more, *flags

    return Contestant(
        OURS,
        {
            App.BARE: script("bare.py"),
            App.FLASK: script("flask_app.py"),
            App.GUNICORN: script("gunicorn_server.py", "--kind", "gevent"),
            App.WORKER_CLASS: script("gunicorn_server.py", "--kind", "realtime"),
        },
    )


def compiled(pure: Contestant) -> Contestant:
    """Return our server with the package of the compiled build."""
    path = ("env", f"PYTHONPATH={compiled_package()}")
    commands = {app: (*path, *command) for app, command in pure.commands.items()}
    return Contestant(COMPILED, commands)


def bun(env: Mapping[str, str]) -> list[Contestant]:
    """Return Bun's server where Bun and its engine are installed."""
    if shutil.which("bun") is None:
        return []
    command = ("bun", str(SERVERS / "bun.js"))
    try:
        versions(command, env)
    except BenchmarkError as error:
        note(f"Bun is left out, `npm install --no-save @socket.io/bun-engine`: {error}")
        return []
    return [Contestant(BUN, dict.fromkeys(App, command), COMPILING)]


def python_peers() -> list[Contestant]:
    """Return the servers that users of Python choose between."""
    python = peer_python()
    flask = (python, str(SERVERS / "flask_socketio_app.py"), "--module", "flask_socketio")
    bare = (python, str(SERVERS / "python_socketio.py"))
    return [
        Contestant(FLASK_SOCKETIO, {App.BARE: flask, App.FLASK: flask}),
        Contestant(PYTHON_SOCKETIO, {App.BARE: bare}),
    ]


def choose_rows(options: argparse.Namespace, ours: Contestant, env: Mapping[str, str]) -> list[Row]:
    """Return the rows that were asked for; without a choice, those that can run here."""
    rows = [row for row in ROWS if row.name in options.rows]
    for app in OPTIONAL:
        mine = [row for row in rows if row.app is app]
        if not mine:
            continue
        try:
            versions(ours.commands[app], env)
        except BenchmarkError as error:
            if len(options.rows) < len(ROWS):
                raise
            note(f"{', '.join(row.name for row in mine)}: left out: {error}")
            rows = [row for row in rows if row.app is not app]
    return [row.smaller(SMOKE_CONNECTIONS) for row in rows] if options.smoke else rows


def describe(lab: Lab, contestants: Sequence[Contestant], rows: Sequence[Row]) -> dict[str, Any]:
    """Return what the numbers depend on; a contestant that cannot run ends the comparison here."""
    found: dict[str, str] = {}
    for contestant in contestants:
        apps = {row.app for row in rows} & set(contestant.commands)
        for command in {tuple(contestant.commands[app]) for app in apps}:
            found |= versions(command, lab.env)
    run = {"rounds": lab.rounds, "seconds": lab.seconds, "warm-up seconds": lab.warm_up}
    return {"machine": machine(), **found, **run}


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = option_parser("Compare our server with Node's socket.io.", 5, 3.0)
    add_choice(parser, "--rows", [row.name for row in ROWS])
    parser.add_argument(
        "--no-orjson", action="store_true", help="ours with the standard library's json"
    )
    parser.add_argument(
        "--compiled", action="store_true", help="ours once more, with what `compiling.py` compiles"
    )
    parser.add_argument(
        "--python-peers",
        action="store_true",
        help=f"{FLASK_SOCKETIO} and {PYTHON_SOCKETIO} as well; they are installed if missing",
    )
    parser.add_argument(
        "--ours", metavar="CMD", help="measure the server that CMD starts in place of ours"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

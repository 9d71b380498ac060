"""Compare the CPU time and memory of our server with Node's socket.io, side by side in one run.

    python benchmarks/compare.py --help

Prints a Markdown table. README.md beside this file describes the method.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from comparison import (
    Answer,
    Turn,
    add_choice,
    allow_connections,
    conclude,
    durations,
    machine,
    note_cores,
    option_parser,
    server_environment,
    take_turns,
    write_json,
)
from processes import HERE, Cores, build_load_generator, choose_cores, run_load, serve, versions
from report import NODE, OURS, Result, as_json, markdown
from rows import ROWS, Row

SERVERS = HERE / "servers"
PEER = "python-socketio"
# After the warm-up the server still has to close its connections; that is not measured.
SETTLE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server of the comparison: the commands that start it, without the port."""

    name: str
    bare: Sequence[str]
    flask: Sequence[str] | None  # None: it has no part in the rows with Flask

    def command(self, row: Row) -> Sequence[str] | None:
        """Return the command for a row."""
        return self.flask if row.flask else self.bare


@dataclass(frozen=True, slots=True)
class Lab:
    """What all measurements of a run share."""

    load_generator: Path
    cores: Cores
    env: Mapping[str, str]
    rounds: int
    seconds: float
    warm_up: float

    def measure(self, row: Row, command: Sequence[str]) -> Answer:
        """Start a server, warm it up, load it, and return the load generator's answer."""
        with serve(command, self.env, self.cores.server) as server:
            if row.warm_up:
                run_load(self.load_generator, row.load, server, self.warm_up, self.cores.load)
                time.sleep(SETTLE_SECONDS)
            return run_load(self.load_generator, row.load, server, self.seconds, self.cores.load)

    def compare(self, row: Row, contestants: Sequence[Contestant]) -> list[Result]:
        """Measure all contestants in turn, round after round."""
        turns = [
            Turn(contestant.name, [row], partial(self.measure, row, command))
            for contestant in contestants
            if (command := contestant.command(row)) is not None
        ]
        return take_turns(turns, self.rounds)


def main() -> int:
    """Run the comparison; return the exit status."""
    options = parse_options()
    return conclude(lambda: run(options), options.check)


def run(options: argparse.Namespace) -> list[Result]:
    """Measure the chosen rows and print them."""
    rows = [row for row in ROWS if row.name in options.rows]
    contestants = choose_contestants(options)
    allow_connections(max(row.connections for row in rows))
    lab = Lab(build_load_generator(), choose_cores(), server_environment(), *durations(options))
    note_cores(lab.cores)
    environment = describe(lab, contestants, rows)
    if options.ours is not None:
        environment[f"in place of {OURS}"] = options.ours
    results = [result for row in rows for result in lab.compare(row, contestants)]
    print(markdown(results, [c.name for c in contestants if c.name not in (OURS, NODE)]))
    print("\n" + "; ".join(f"{key}: {value}" for key, value in environment.items()))
    if options.json is not None:
        write_json(options.json, as_json(results, environment))
    return results


def choose_contestants(options: argparse.Namespace) -> list[Contestant]:
    """Return Node, ours and perhaps the Python peer, in the order they take turns."""
    node = ("node", str(SERVERS / "node.js"))
    python, flags = sys.executable, ("--no-orjson",) if options.no_orjson else ()
    bare = (python, str(SERVERS / "bare.py"), *flags)
    flask = (python, str(SERVERS / "flask_app.py"), *flags)
    if options.ours is not None:
        bare = flask = tuple(shlex.split(options.ours))
    contestants = [Contestant(NODE, node, node), Contestant(OURS, bare, flask)]
    if options.python_peers:
        contestants.append(Contestant(PEER, (python, str(SERVERS / "python_socketio.py")), None))
    return contestants


def describe(lab: Lab, contestants: Sequence[Contestant], rows: Sequence[Row]) -> dict[str, Any]:
    """Return what the numbers depend on; a contestant that cannot run ends the comparison here."""
    found: dict[str, str] = {}
    for contestant in contestants:
        for command in {contestant.command(row) for row in rows} - {None}:
            assert command is not None
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
        "--python-peers", action="store_true", help=f"a column for {PEER} on gevent"
    )
    parser.add_argument(
        "--ours", metavar="CMD", help="measure the server that CMD starts in place of ours"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

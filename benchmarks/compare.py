"""Compare the CPU time and memory of our server with Node's socket.io, side by side in one run.

    python benchmarks/compare.py --help

Prints a Markdown table. README.md beside this file describes the method.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from processes import (
    HERE,
    BenchmarkError,
    Cores,
    alone,
    build_load_generator,
    choose_cores,
    run_load,
    serve,
    versions,
)
from report import NODE, OURS, Result, as_json, markdown
from rows import ROWS, Row

SERVERS = HERE / "servers"
PEER = "python-socketio"
# After the warm-up the server still has to close its connections; that is not measured.
SETTLE_SECONDS = 0.3
SPARE_FILES = 200


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

    def measure(self, row: Row, command: Sequence[str]) -> float:
        """Start a server, warm it up, load it, and return the row's number."""
        with serve(command, self.env, self.cores.server) as server:
            if row.warm_up:
                run_load(self.load_generator, row.load, server, self.warm_up, self.cores.load)
                time.sleep(SETTLE_SECONDS)
            answer = run_load(self.load_generator, row.load, server, self.seconds, self.cores.load)
        return float(answer[row.metric])

    def compare(self, row: Row, contestants: Sequence[Contestant]) -> Result:
        """Measure all contestants in turn, round after round: a drift of the machine meets all."""
        commands = {c.name: command for c in contestants if (command := c.command(row)) is not None}
        values: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(1, self.rounds + 1):
            for name, command in commands.items():
                try:
                    value = self.measure(row, command)
                except BenchmarkError as error:
                    note(f"{row.name}: {name}: {error}")
                    return Result(row, {}, f"{name}: {error}")
                values[name].append(value)
                note(f"{row.name}: round {number} of {self.rounds}: {name} {value:.1f} {row.unit}")
        return Result(row, values)


def main() -> int:
    """Run the comparison; return 1 for a failed measurement or, with --check, a missed target."""
    options = parse_options()
    stop_on_signals()
    try:
        with alone():
            results = run(options)
    except BenchmarkError as error:
        note(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    failed = any(result.error is not None for result in results)
    missed = options.check and not all(result.passed for result in results)
    return 1 if failed or missed else 0


def run(options: argparse.Namespace) -> list[Result]:
    """Measure the chosen rows and print them."""
    rows = [row for row in ROWS if row.name in options.rows]
    contestants = choose_contestants(options)
    allow_connections(max(row.connections for row in rows))
    lab = Lab(build_load_generator(), choose_cores(), server_environment(), *durations(options))
    if lab.cores.server is None:
        note(
            "note: fewer than two cores to choose from: nothing is pinned, the numbers are noisier"
        )
    environment = describe(lab, contestants, rows)
    if options.ours is not None:
        environment[f"in place of {OURS}"] = options.ours
    results = [lab.compare(row, contestants) for row in rows]
    print(markdown(results, [c.name for c in contestants if c.name not in (OURS, NODE)]))
    print("\n" + "; ".join(f"{key}: {value}" for key, value in environment.items()))
    if options.json is not None:
        write_json(options.json, as_json(results, environment))
    return results


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write the measurements; the table is already printed, so a bad path loses nothing."""
    try:
        path.write_text(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise BenchmarkError(f"cannot write {path}: {error.strerror}") from None


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
    machine = (
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start"
    )
    return {"machine": machine, **found, **run}


def durations(options: argparse.Namespace) -> tuple[int, float, float]:
    """Return rounds, measured seconds and warm-up seconds."""
    rounds, seconds, warm_up = (2, 1.0, 0.5) if options.quick else (5, 3.0, 1.0)
    return options.rounds or rounds, options.seconds or seconds, warm_up


def server_environment() -> dict[str, str]:
    """Return the environment of all servers: they import this checkout, not a release."""
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "NODE_ENV": "production"}


def allow_connections(count: int) -> None:
    """Raise the limit of open files, which the servers inherit: Python does not raise its own."""
    needed = count + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchmarkError(
            f"{count} connections need {needed} open files; the limit is {hard}: see `ulimit -Hn`"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def stop_on_signals() -> None:
    """Leave through the `finally` blocks when asked to end, so that no server stays behind."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def note(text: str) -> None:
    """Tell the user what happens; standard output is for the table."""
    print(text, file=sys.stderr, flush=True)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare our server with Node's socket.io.")
    names = [row.name for row in ROWS]
    parser.add_argument(
        "--rows", type=row_names, default=names, help=f"comma separated, of: {', '.join(names)}"
    )
    parser.add_argument("--rounds", type=positive(int), help="measurements of each server (5)")
    parser.add_argument("--seconds", type=positive(float), help="measured seconds of each (3)")
    parser.add_argument(
        "--quick", action="store_true", help="2 rounds of 1 second: a look, not a result"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with status 1 when a ratio is over its target"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements to FILE")
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


def row_names(text: str) -> list[str]:
    """Split and check --rows."""
    names, known = text.split(","), {row.name for row in ROWS}
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(
                f"no row '{name}'; there are {', '.join(row.name for row in ROWS)}"
            )
    return names


def positive(number: type[int | float]) -> Any:
    """Return an argparse type for a number above zero."""

    def parse(text: str) -> int | float:
        value = number(text)
        if value <= 0:
            raise argparse.ArgumentTypeError("must be above zero")
        return value

    return parse


if __name__ == "__main__":
    sys.exit(main())

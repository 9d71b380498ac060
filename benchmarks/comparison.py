"""What the comparisons share: their options, servers that take turns, and how a run ends."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from processes import HERE, BenchmarkError, Cores, alone
from report import NODE, Result
from rows import Row

SPARE_FILES = 200

Answer = Mapping[str, Any]
T = TypeVar("T")


def conclude(run: Callable[[], list[Result]], check: bool) -> int:
    """Run a comparison; return 1 for a failed measurement or, with ``check``, a missed target."""
    stop_on_signals()
    try:
        with alone():
            results = run()
    except BenchmarkError as error:
        note(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    failed = any(result.error is not None for result in results)
    missed = check and not all(result.passed for result in results)
    return 1 if failed or missed else 0


@dataclass(frozen=True, slots=True)
class Turn:
    """What is measured again in each round.

    Attributes:
        contestant: Its name.
        rows: What to take from the answer of the load generator.
        measure: Loads the contestant's servers once.
    """

    contestant: str
    rows: Sequence[Row]
    measure: Callable[[], Answer]


def take_turns(turns: Sequence[Turn], rounds: int, peer: str = NODE) -> list[Result]:
    """Measure all in turn, round after round: a drift of the machine meets all of them."""
    rows = {row.name: row for turn in turns for row in turn.rows}
    values: dict[str, dict[str, list[float]]] = {name: {} for name in rows}
    errors: dict[str, str] = {}
    for number in range(1, rounds + 1):
        # Who is first alternates as well: some machines are slower for every other process.
        for turn in turns[:: 1 if number % 2 else -1]:
            if turn.rows[0].name in errors:
                continue
            try:
                answer = turn.measure()
            except BenchmarkError as error:
                note(f"{turn.rows[0].name}: {turn.contestant}: {error}")
                errors |= {row.name: f"{turn.contestant}: {error}" for row in turn.rows}
                continue
            for row in turn.rows:
                value = float(answer[row.metric])
                values[row.name].setdefault(turn.contestant, []).append(value)
                found = f"{value:.{row.digits}f} {row.unit}"
                note(f"{row.name}: round {number} of {rounds}: {turn.contestant} {found}")
    return [
        Result(row, {}, errors[name], peer)
        if name in errors
        else Result(row, values[name], peer=peer)
        for name, row in rows.items()
    ]


def kept(
    stack: ExitStack, start: Callable[..., AbstractContextManager[T]]
) -> Callable[..., AbstractContextManager[T]]:
    """Return a function that starts what ``start`` does, but the same only once.

    To see that rows work, each server need not be started for each of them.

    Args:
        stack: Ends what was started.
        start: Begins something by arguments that can be compared.
    """
    running: dict[Hashable, T] = {}

    @contextmanager
    def lend(*what: Hashable) -> Iterator[T]:
        if what not in running:
            running[what] = stack.enter_context(start(*what))
        yield running[what]

    return lend


def machine() -> str:
    """Return what the numbers depend on besides versions."""
    load = os.getloadavg()[0]
    return f"{platform.machine()}, {os.cpu_count()} CPUs, load {load:.1f} at the start"


def note_cores(cores: Cores) -> None:
    """Say when nothing can be pinned."""
    if cores.server is None:
        note(
            "note: fewer than two cores to choose from: nothing is pinned, the numbers are noisier"
        )


def durations(options: argparse.Namespace) -> tuple[int, float, float]:
    """Return rounds, measured seconds and warm-up seconds."""
    rounds, seconds = options.thorough
    warm_up = 1.0
    if options.quick:
        rounds, seconds, warm_up = 2, 1.0, 0.5
    if options.smoke:
        rounds, seconds, warm_up = 1, 0.2, 0.0
    return options.rounds or rounds, options.seconds or seconds, warm_up


def server_environment() -> dict[str, str]:
    """Return the environment of all servers: they import this checkout, not a release."""
    path = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "NODE_ENV": "production"}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write the measurements; the table is already printed, so a bad path loses nothing."""
    try:
        path.write_text(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise BenchmarkError(f"cannot write {path}: {error.strerror}") from None


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


def option_parser(description: str, rounds: int, seconds: float) -> argparse.ArgumentParser:
    """Return a parser of the options that all comparisons take.

    Args:
        description: What is compared.
        rounds: How often, unless told otherwise.
        seconds: How long each time, unless told otherwise.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.set_defaults(thorough=(rounds, seconds))
    parser.add_argument(
        "--rounds", type=positive(int), help=f"measurements of each server ({rounds})"
    )
    parser.add_argument(
        "--seconds", type=positive(float), help=f"measured seconds of each ({seconds:g})"
    )
    parser.add_argument(
        "--quick", action="store_true", help="2 rounds of 1 second: a look, not a result"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="run each row once, briefly: does it work?"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with status 1 when a ratio is over its target"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements to FILE")
    return parser


def add_choice(parser: argparse.ArgumentParser, option: str, names: Sequence[str]) -> None:
    """Add an option that takes some of the names, comma separated; all without it."""
    parser.add_argument(
        option, type=some_of(names), default=names, help=f"comma separated, of: {', '.join(names)}"
    )


def some_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Return an argparse type for names, comma separated."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no '{name}'; there are {', '.join(known)}")
        return names

    return parse


def positive(number: type[int | float]) -> Any:
    """Return an argparse type for a number above zero."""

    def parse(text: str) -> int | float:
        value = number(text)
        if value <= 0:
            raise argparse.ArgumentTypeError("must be above zero")
        return value

    return parse

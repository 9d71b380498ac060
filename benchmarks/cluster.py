"""Compare servers joined by Redis with Node's and its adapters, side by side in one run.

    python benchmarks/cluster.py --help

Prints two Markdown tables. README.md beside this file describes the method.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from cluster_rows import ADAPTERS, ALONE, LOADS, Load
from comparison import (
    Answer,
    Turn,
    add_choice,
    allow_connections,
    conclude,
    durations,
    kept,
    machine,
    note_cores,
    option_parser,
    server_environment,
    take_turns,
    write_json,
)
from processes import (
    HERE,
    Cores,
    Server,
    choose_cores,
    load_generator,
    redis_server,
    run_load,
    serve,
    versions,
)
from report import NODE, OURS, Result, as_json, beside, markdown

SERVERS = HERE / "servers"
COMMANDS = {
    NODE: ("node", str(SERVERS / "cluster_member.js")),
    OURS: (sys.executable, str(SERVERS / "cluster_member.py")),
}
# After the warm-up the servers still have to close connections; that is not measured.
SETTLE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Lab:
    """What all measurements of a run share."""

    servers: Callable[[str, Sequence[str]], AbstractContextManager[list[Server]]]
    generator: Sequence[str]
    cores: Cores
    rounds: int
    seconds: float
    warm_up: float

    def compare(self, load: Load, adapters: Sequence[str]) -> list[Result]:
        """Measure Node's servers and ours with all adapters in turn, round after round."""
        turns = [
            Turn(name, load.rows(adapter), partial(self.measure, load, adapter, command))
            for adapter in adapters
            for name, command in COMMANDS.items()
        ]
        return take_turns(turns, self.rounds)

    def measure(self, load: Load, adapter: str, command: Sequence[str]) -> Answer:
        """Start Redis and the servers, warm them up, load them, and return the answer."""
        with self.servers(adapter, command) as running:
            emitting, measured = running[0], running[-1] if load.relayed else running[0]
            arguments = [*load.arguments, "--emit-port", str(emitting.port)]
            if self.warm_up:
                run_load(self.generator, arguments, measured, self.warm_up, self.cores.load)
                time.sleep(SETTLE_SECONDS)
            return run_load(self.generator, arguments, measured, self.seconds, self.cores.load)


@contextmanager
def servers(
    cores: Cores, env: Mapping[str, str], adapter: str, command: Sequence[str]
) -> Iterator[list[Server]]:
    """Run two servers and their Redis, or one without an adapter."""
    with ExitStack() as stack:
        options = ["--adapter", adapter]
        if adapter != ALONE:
            options += ["--redis", stack.enter_context(redis_server(cores.load))]
        count = 1 if adapter == ALONE else 2
        yield [
            stack.enter_context(serve([*command, *options], env, cores.server))
            for _ in range(count)
        ]


def main() -> int:
    """Run the comparison; return the exit status."""
    options = parse_options()
    return conclude(lambda: run(options), options.check)


def run(options: argparse.Namespace) -> list[Result]:
    """Measure the chosen loads with the chosen adapters and print the tables."""
    with ExitStack() as stack:
        return measure(options, stack)


def measure(options: argparse.Namespace, stack: ExitStack) -> list[Result]:
    """Measure the chosen loads; the stack ends what runs longer than one of them."""
    cores, env = choose_cores(), server_environment()
    start = partial(servers, cores, env)
    loads = [load for load in LOADS if load.name in options.loads]
    allow_connections(max(row.connections for load in loads for row in load.rows(ALONE)))
    starter = kept(stack, start) if options.smoke else start
    lab = Lab(starter, load_generator(), cores, *durations(options))
    note_cores(cores)
    environment = {"machine": machine()}
    for command in COMMANDS.values():
        environment |= versions(command, env)
    environment |= {"rounds": str(lab.rounds), "seconds": str(lab.seconds)}
    results = [result for load in loads for result in lab.compare(load, options.adapters)]
    print(markdown(results))
    pairs = pairs_of(results)
    if pairs:
        print("\n" + beside(pairs))
    print("\n" + "; ".join(f"{key}: {value}" for key, value in environment.items()))
    if options.json is not None:
        write_json(options.json, as_json(results, environment))
    return results


def pairs_of(results: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Return each result of an adapter with that of the same load without one."""
    alone = {
        name: result
        for result in results
        for name, _, adapter in [result.row.name.partition(" ")]
        if adapter == ALONE
    }
    return [
        (result, alone[name])
        for result in results
        if (name := result.row.name.partition(" ")[0]) in alone and result is not alone[name]
    ]


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = option_parser("Compare our servers, joined by Redis, with Node's.", 3, 2.0)
    add_choice(parser, "--loads", [load.name for load in LOADS])
    add_choice(parser, "--adapters", ADAPTERS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Measure what more workers on one host bring: throughput of one, two and more, beside Node's.

    python benchmarks/workers.py --help

Prints two Markdown tables: the throughput, and what it costs that the workers are one server.
README.md beside this file describes the method.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from comparison import server_environment
from processes import (
    HERE,
    BenchmarkError,
    Server,
    alone,
    children,
    free_port,
    load_generator,
    run_load,
)
from worker_costs import SMALL, THOROUGH
from worker_costs import table as costs_table

LOADS = {
    "echo": ("echo", "--conns", "100", "--size", "64"),
    "poll": ("poll", "--conns", "100", "--size", "64"),
}
NODE_PACKAGES = ("@socket.io/sticky", "@socket.io/cluster-adapter")
START_SECONDS = 30.0
Command = Callable[[int, int], list[str]]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of a measurement.

    Attributes:
        measured: Under each load.
        warm_up: Under the same load before.
        settle: In which all workers have found each other.
    """

    measured: float
    warm_up: float = 1.0
    settle: float = 2.0


SMOKE = Times(0.2, warm_up=0.0, settle=0.5)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server; ``command(port, workers)`` starts it."""

    name: str
    command: Command
    loads: Mapping[str, tuple[str, ...]]


def ours(port: int, workers: int) -> list[str]:
    """gunicorn with its own gevent worker."""
    options = ["-k", "gevent", "-w", str(workers), "-b", f"127.0.0.1:{port}"]
    return [sys.executable, "-m", "gunicorn", *options, "--no-control-socket", "gunicorn_app:app"]


def node(port: int, workers: int) -> list[str]:
    """Node's cluster module with the packages for sticky sessions."""
    script = str(HERE / "servers" / "node_workers.js")
    return ["node", script, "--port", str(port), "--workers", str(workers)]


def has_node_packages(env: Mapping[str, str]) -> bool:
    """Whether the packages are there that Node needs for this."""
    if shutil.which("node") is None:
        return False
    script = "".join(f"require({name!r});" for name in ("socket.io", *NODE_PACKAGES))
    command = ["node", "-e", script]
    done = subprocess.run(command, env=env, cwd=HERE, capture_output=True, check=False)
    return done.returncode == 0


def measure(
    contestant: Contestant,
    workers: int,
    loads: Mapping[str, tuple[str, ...]],
    times: Times,
    generator: Sequence[str],
) -> dict[str, float]:
    """Start a server and return its throughput under each of the loads."""
    port = free_port()
    command = contestant.command(port, workers)
    env = server_environment()
    servers = HERE / "servers"
    with subprocess.Popen(
        command, cwd=servers, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as master:
        try:
            pids = wait_for_workers(master, workers)
            time.sleep(times.settle)
            server = Server((master.pid, *pids), port)
            rates = {}
            for name, load in loads.items():
                if times.warm_up:
                    run_load(generator, load, server, times.warm_up, None)
                rates[name] = float(
                    run_load(generator, load, server, times.measured, None)["per_s"]
                )
            return rates
        except BenchmarkError as error:
            raise BenchmarkError(f"{contestant.name} with {workers} workers: {error}") from None
        finally:
            master.terminate()
            try:
                master.wait(10)
            except subprocess.TimeoutExpired:
                master.kill()


def wait_for_workers(master: subprocess.Popen[bytes], workers: int) -> list[int]:
    """Return the processes of the workers when all are there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and master.poll() is None:
        pids = children(master.pid)
        if len(pids) >= workers:
            return pids
        time.sleep(0.05)
    raise BenchmarkError("the workers did not start")


def table(found: Mapping[tuple[str, str, int], list[float]]) -> str:
    """Return the medians of the throughput, and what each number of workers brings."""
    lines = ["| load | server | workers | operations/s | to one worker |", "|---|---|---|---|---|"]
    for (load, name, workers), rates in found.items():
        rate = statistics.median(rates)
        one = statistics.median(found[load, name, 1])
        lines.append(f"| {load} | {name} | {workers} | {rate:,.0f} | {rate / one:.2f} |")
    return "\n".join(lines)


def main() -> int:
    """Take the measurements in turns and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of the throughput")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each, of the throughput")
    parser.add_argument("--workers", default="1,2", help="how many, beginning with 1")
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    parser.add_argument("--smoke", action="store_true", help="each once, briefly: does it work?")
    parser.add_argument("--only", choices=("throughput", "costs"), help="one of the two tables")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rounds, times = options.rounds, Times(options.seconds)
    if options.quick or options.smoke:
        rounds, times = 1, SMOKE if options.smoke else Times(1.0)
    if importlib.util.find_spec("gunicorn") is None:
        raise BenchmarkError("gunicorn is missing: run `pip install -e '.[gunicorn,speed]'`")
    if options.only != "costs":
        compare(options, rounds, times)
    if options.only != "throughput":
        print()
        print(costs_table(SMALL if options.quick or options.smoke else THOROUGH))
    return 0


def compare(options: argparse.Namespace, rounds: int, times: Times) -> None:
    """Print the throughput of the contestants."""
    contestants = [Contestant("ours", ours, LOADS)]
    if has_node_packages(server_environment()):
        # @socket.io/sticky ends each connection; the load generator keeps them.
        contestants.append(Contestant("Node", node, {"echo": LOADS["echo"]}))
    else:
        print(f"Node is left out: `npm install {' '.join(NODE_PACKAGES)}`", file=sys.stderr)
    generator = load_generator()
    counts = [int(count) for count in options.workers.split(",")]
    found: dict[tuple[str, str, int], list[float]] = {}
    for _ in range(rounds):
        for contestant in contestants:
            for count in counts:
                rates = measure(contestant, count, contestant.loads, times, generator)
                for load, rate in rates.items():
                    found.setdefault((load, contestant.name, count), []).append(rate)
    found = dict(sorted(found.items()))
    print(table(found))
    if options.json:
        rows = [[*key, rates] for key, rates in found.items()]
        options.json.write_text(json.dumps({"rows": rows}))


if __name__ == "__main__":
    try:
        with alone():
            sys.exit(main())
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        sys.exit(2)

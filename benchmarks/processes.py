"""The processes of a measurement: the compiler, Redis, servers, one load generator.

Every wait here has a deadline, and a server never outlives its `with` block.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
BUILD = HERE / ".build"

COMPILE_SECONDS = 60
VERSIONS_SECONDS = 20
START_SECONDS = 20
STOP_SECONDS = 10
OUTPUT_BYTES = 65_536
PORTS = range(20_000, 30_000)
# What a load may need beyond its own seconds: opening the connections of a slow server.
LOAD_EXTRA_SECONDS = 90


class BenchmarkError(Exception):
    """Something is missing or failed; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where to run the two sides; `None` leaves the choice to the kernel."""

    server: int | None
    load: int | None


@dataclass(frozen=True, slots=True)
class Server:
    """A server that accepts connections.

    Attributes:
        pids: Its processes, whose time and memory are measured.
        port: Its port.
    """

    pids: tuple[int, ...]
    port: int


def choose_cores() -> Cores:
    """Take the first and the last core this process may use: the pair least likely to share one."""
    if sys.platform != "linux":
        return Cores(None, None)
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        return Cores(None, None)
    return Cores(server=available[-1], load=available[0])


@contextmanager
def alone() -> Iterator[None]:
    """Refuse a second comparison of this checkout: both would pin to the same cores."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchmarkError("another comparison is running here: wait for its end") from None
        yield


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Run what is started inside on one core: a child inherits it, for all its threads."""
    if core is None or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def load_generator() -> tuple[str, ...]:
    """Compile loadgen.c unless the compiled one is newer; return its command."""
    if sys.platform != "linux":
        raise BenchmarkError(
            "the load generator needs Linux (epoll, /proc): run this in a Linux container"
        )
    source, binary = HERE / "loadgen.c", BUILD / "loadgen"
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return (str(binary),)
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        raise BenchmarkError(
            f"no C compiler '{compiler}': install one, for example `apt-get install gcc libc6-dev`"
        )
    # Renamed when complete, so that an interrupted compiler leaves nothing that looks finished.
    partial = BUILD / f"loadgen.{os.getpid()}"
    command = [compiler, "-O2", "-o", str(partial), str(source)]
    done = _run(command, COMPILE_SECONDS)
    if done.returncode != 0:
        raise BenchmarkError(f"`{shlex.join(command)}` failed: {last_line(done.stderr)}")
    partial.replace(binary)
    return (str(binary),)


def versions(command: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
    """Ask a server script what it runs on, which also tells whether it can run at all."""
    printed = must_run([*command, "--versions"], VERSIONS_SECONDS, env)
    found: dict[str, str] = json.loads(printed)
    return found


@contextmanager
def serve(command: Sequence[str], env: Mapping[str, str], core: int | None) -> Iterator[Server]:
    """Run a server on a free port for the duration of the block."""
    command = [*command, "--port", str(free_port())]
    with _running(command, env, core, r"^listening (\d+)$") as (process, found):
        yield Server((process.pid, *children(process.pid)), int(found[1]))


def children(pid: int) -> list[int]:
    """Return the processes that a process has started: gunicorn's workers."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in found.split()]


@contextmanager
def redis_server(core: int | None) -> Iterator[str]:
    """Run a Redis that keeps nothing for the duration of the block; its URL."""
    port = str(free_port())
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    command = ["redis-server", "--port", port, *options]
    with _running(command, os.environ, core, "Ready to accept connections"):
        yield f"redis://127.0.0.1:{port}"


@contextmanager
def _running(
    command: Sequence[str], env: Mapping[str, str], core: int | None, ready: str
) -> Iterator[tuple[subprocess.Popen[bytes], re.Match[str]]]:
    with tempfile.TemporaryFile("w+") as log:
        with pinned(core):
            process = _start(command, env, log)
        try:
            yield process, _wait_until_ready(process, log.fileno(), ready)
        except BenchmarkError as error:
            printed = last_line(_output(log.fileno()))
            name = Path(command[0]).name
            raise BenchmarkError(
                f"{error} (the last line of {name}: {printed or 'none'})"
            ) from None
        finally:
            _end(process)


def _start(command: Sequence[str], env: Mapping[str, str], log: IO[str]) -> subprocess.Popen[bytes]:
    try:
        # A session of its own: Ctrl-C reaches only us, and one signal ends it and its children.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(env),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise BenchmarkError(f"no '{command[0]}': install it or put it on the PATH") from None


def run_load(
    generator: Sequence[str],
    load: Sequence[str],
    server: Server,
    seconds: float,
    core: int | None,
) -> dict[str, Any]:
    """Run a load generator once and return its answer; anything but a clean run is an error."""
    pids = ",".join(map(str, server.pids))
    target = ("--port", str(server.port), "--pid", pids)
    with pinned(core):
        done = _run(
            [*generator, *load, "--seconds", str(seconds), *target], seconds + LOAD_EXTRA_SECONDS
        )
    if done.returncode != 0:
        raise BenchmarkError(f"the load failed: {last_line(done.stderr) or last_line(done.stdout)}")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:  # it divides by the number of operations
        answer = {"ops": 0}
    if answer.get("ops") == 0:
        raise BenchmarkError("the server answered nothing")
    return answer


def free_port() -> int:
    """Pick a port nobody listens on, below those that outgoing connections take meanwhile."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise BenchmarkError(f"no free port from {PORTS[0]} to {PORTS[-1]}")


def last_line(text: str) -> str:
    """Return the line that names the error in a compiler's or a traceback's output."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _run(
    command: Sequence[str], seconds: float, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, env=env, timeout=seconds, check=False
        )
    except FileNotFoundError:
        raise BenchmarkError(f"no '{command[0]}': install it or put it on the PATH") from None
    except subprocess.TimeoutExpired:
        raise BenchmarkError(
            f"`{shlex.join(command)}` did not end within {seconds:.0f} s"
        ) from None


def must_run(command: Sequence[str], seconds: float, env: Mapping[str, str] | None = None) -> str:
    """Return what a command prints; what it says last is the error when it fails."""
    done = _run(command, seconds, env)
    if done.returncode != 0:
        raise BenchmarkError(last_line(done.stderr) or f"`{shlex.join(command)}` failed")
    return done.stdout


def _output(log: int) -> str:
    """Return the end of what the server printed, where a traceback names the error."""
    end = os.fstat(log).st_size
    return os.pread(log, OUTPUT_BYTES, max(0, end - OUTPUT_BYTES)).decode(errors="replace")


def _wait_until_ready(process: subprocess.Popen[bytes], log: int, ready: str) -> re.Match[str]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = re.search(ready, _output(log), re.MULTILINE)
        if found:
            return found
        if process.poll() is not None:
            raise BenchmarkError("the server ended at its start")
        time.sleep(0.02)
    raise BenchmarkError(f"the server did not listen within {START_SECONDS} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)  # nothing in it is worth a farewell
    except ProcessLookupError:
        pass
    process.wait(timeout=STOP_SECONDS)

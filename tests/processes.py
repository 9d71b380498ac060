"""Real processes for the end-to-end tests: servers, and programs under Node.

Every wait here has a deadline, and every process that is started is reaped.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 15.0

# CPython prints this at the end of a process (gunicorn's master, for one) when a signal arrives
# between the end of its handler and the end of the interpreter; nothing has failed.
_LATE_SIGNAL = re.compile(
    r"(?:Exception ignored in.*\n)?Traceback \(most recent call last\):\n"
    r"(?:  .*\n)*OSError: Signal \d+ ignored due to race condition"
)

T = TypeVar("T")
Self = TypeVar("Self", bound="Process")


class Late(AssertionError):
    """Something that was waited for did not happen in time."""


def eventually(
    probe: Callable[[], T], *, within: float = 5.0, what: str = "the expected state"
) -> T:
    """Call ``probe`` until it returns something true, and return that."""
    deadline = time.monotonic() + within
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Late(f"{what} was not seen within {within:g} s; last: {found!r}")
        time.sleep(0.01)


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-u", *arguments]


class Process:
    """A child process in its own session, with what it printed so far."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self._changed = threading.Condition()
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._popen = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=environment(env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._readers = [
            self._read("stdout", self._popen.stdout),
            self._read("stderr", self._popen.stderr),
        ]

    def _read(self, name: str, stream: IO[str]) -> threading.Thread:
        def pump() -> None:
            for line in stream:
                self.on_line(name, line.rstrip("\n"))

        thread = threading.Thread(target=pump, name=f"read {name}", daemon=True)
        thread.start()
        return thread

    def on_line(self, name: str, line: str) -> None:
        """Keep a line of ``stdout`` or ``stderr``; called by the thread that reads it."""
        with self._changed:
            self._lines[name].append(line)
            self._changed.notify_all()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.reap()

    @property
    def stdout(self) -> str:
        return "\n".join(self._lines["stdout"])

    @property
    def stderr(self) -> str:
        return "\n".join(self._lines["stderr"])

    @property
    def has_traceback(self) -> bool:
        """Whether it printed a traceback to stderr."""
        return "Traceback" in _LATE_SIGNAL.sub("", self.stderr)

    def lines(self) -> list[str]:
        with self._changed:
            return list(self._lines["stdout"])

    def wait_for(self, pattern: str, within: float = DEADLINE) -> re.Match[str]:
        """Wait until a line on either stream matches."""
        deadline = time.monotonic() + within
        with self._changed:
            while True:
                for line in self._lines["stdout"] + self._lines["stderr"]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                left = deadline - time.monotonic()
                if left <= 0 or self._popen.poll() is not None:
                    raise Late(f"no line matches {pattern!r}\n{self.report()}")
                self._changed.wait(min(left, 0.2))

    def tell(self, line: str) -> None:
        """Write one line to the standard input."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()

    def wait(self, within: float = DEADLINE) -> int:
        """Wait for the end of the process and return its exit status."""
        try:
            status = self._popen.wait(within)
        except subprocess.TimeoutExpired:
            self.reap()
            raise Late(f"still running after {within:g} s\n{self.report()}") from None
        for reader in self._readers:
            reader.join(2)
        return status

    def request_end(self) -> None:
        """SIGTERM."""
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self._popen.poll() is None:
            self._popen.send_signal(number)

    def terminate(self, within: float = 8.0) -> int:
        """SIGTERM; the process has to be gone within the deadline."""
        self.request_end()
        return self.wait(within)

    def kill(self) -> None:
        """SIGKILL for the process and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(5)

    def reap(self) -> None:
        self.kill()
        for reader in self._readers:
            reader.join(2)
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if stream is not None and not stream.closed:
                with contextlib.suppress(OSError):
                    stream.close()

    def report(self) -> str:
        return (
            f"$ {' '.join(self.command)}  -> {self._popen.poll()}\n"
            f"--- stdout (end)\n{self.stdout[-3000:]}\n--- stderr (end)\n{self.stderr[-5000:]}"
        )


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    env = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONFAULTHANDLER="1")
    path = [str(ROOT), *filter(None, [env.get("PYTHONPATH")])]
    env["PYTHONPATH"] = os.pathsep.join(path)
    env.update(extra)
    return env


class ServerProcess(Process):
    """A server under test; ready when it has named its port."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        ready: str = r"^listening (\d+)$",
        scheme: str = "http",
        env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(command, env)
        self.scheme = scheme
        try:
            self.port = int(self.wait_for(ready).group(1))
        except Late:
            self.reap()
            raise

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    def records(self, **fields: Any) -> list[dict[str, Any]]:
        """The observations the scenario server printed, those with these fields."""
        found = []
        for line in self.lines():
            if line.startswith("record "):
                record = json.loads(line.removeprefix("record "))
                if all(record.get(name) == value for name, value in fields.items()):
                    found.append(record)
        return found

    def saw(self, *, within: float = 5.0, **fields: Any) -> dict[str, Any]:
        """The first record with these fields; waits until there is one."""
        found = eventually(
            lambda: self.records(**fields), within=within, what=f"a record with {fields}"
        )
        return found[0]

    def stop(self) -> None:
        """End it as an operator would; nothing may have gone wrong inside."""
        try:
            self.terminate()
        finally:
            self.reap()
        assert not self.has_traceback, self.report()


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.fail("these tests need Node.js 18 or later: `node` is not on the PATH")
    return found


def node_package(name: str) -> Path:
    """The folder of an installed npm package; its absence is a failure."""
    script = f"console.log(require.resolve({name + '/package.json'!r}))"
    done = subprocess.run(
        [node(), "-e", script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        pytest.fail(f"the npm package {name} is missing: run `npm install` in {ROOT}")
    return Path(done.stdout.strip()).parent

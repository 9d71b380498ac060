"""gunicorn with many workers, and a crowd of official clients that lives through what happens."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.processes import ROOT, Late, Process, ServerProcess, eventually, node, python

APP = "tests.hosts.workers.app:app"
#: Seconds for a step of a crowd, on a busy machine.
STEP = 40.0


class Fleet(ServerProcess):
    """A gunicorn with its workers."""

    #: What says that a worker has begun.
    BEGUN = r"Booting worker with pid: (\d+)"

    def __init__(
        self,
        *flags: str,
        workers: int = 4,
        kind: str = "gevent",
        app: str = APP,
        env: Mapping[str, str] | None = None,
        scheme: str = "http",
        port: int = 0,
    ) -> None:
        options = ["-k", kind, "-w", str(workers), "-b", f"127.0.0.1:{port}"]
        options += ["--graceful-timeout", "25"]
        script = str(Path(sys.executable).with_name("gunicorn"))
        command = python(script, *options, *gunicorn_flags(), *flags, app)
        # With --reuse-port the master has no socket, and says none.
        ready = r"Listening at:.*\((\d+)\)" if port else GUNICORN_READY
        super().__init__(
            command, ready=ready, scheme=scheme, env={"TEST_LOG": "INFO", **(env or {})}
        )
        self.port = port or self.port

    def terminate(self, within: float = 40.0) -> int:
        """SIGTERM; workers that are in the middle of ending have the graceful timeout of 10 s."""
        return super().terminate(within)

    @property
    def pid(self) -> int:
        """The master."""
        return self._popen.pid

    def workers(self) -> list[int]:
        """The processes of its workers, those that run."""
        found = []
        for line in self.stderr.splitlines():
            match = re.search(self.BEGUN, line)
            if match and is_alive(int(match[1])):
                found.append(int(match[1]))
        return found

    def stats(self) -> dict[str, Any]:
        """Those of the worker that happens to answer."""
        found: dict[str, Any] = requests.get(f"{self.url}/stats", timeout=10).json()
        return found

    def all_stats(self) -> dict[int, dict[str, Any]]:
        """Those of all workers, by process."""
        wanted = set(self.workers())
        found: dict[int, dict[str, Any]] = {}

        def ask() -> bool:
            one = self.stats()
            found[one["pid"]] = one
            return wanted <= set(found)

        eventually(ask, within=STEP, what="an answer of each worker")
        return found

    def is_complete(self, workers: int) -> bool:
        """Whether so many workers run and each has been joined by all others."""
        if len(self.workers()) != workers:
            return False
        joined = self.stderr
        return all(
            len(set(re.findall(rf"^{pid} \+ worker (\S+) joined", joined, re.M))) >= workers - 1
            for pid in self.workers()
        )

    def wait_until_complete(self, workers: int = 4) -> None:
        eventually(lambda: self.is_complete(workers), within=STEP, what="a complete mesh")

    def tell_master(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


class Forked(Fleet):
    """A program that calls ``run(workers=…)``: see ``run.py``."""

    BEGUN = r"\+ worker (\d+) started"

    def __init__(
        self, *arguments: str, workers: int = 4, env: Mapping[str, str] | None = None
    ) -> None:
        command = python("-m", "tests.hosts.workers.run", str(workers), *arguments)
        scheme = "https" if arguments else "http"
        ready = rf"Running on {scheme}://127\.0\.0\.1:(\d+) with {workers} workers"
        env = {"TEST_LOG": "INFO", **(env or {})}
        ServerProcess.__init__(self, command, ready=ready, scheme=scheme, env=env)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, which has not ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        # The second where it ends between the two calls.
        return False


#: What the official client says of a request whose connection has ended.
RESETS = {"xhr poll error", "xhr post error"}


class Crowd(Process):
    """Clients under Node; see ``crowd.mjs``."""

    def __init__(
        self,
        url: str,
        count: int,
        transports: str = "polling,websocket",
        env: Mapping[str, str] | None = None,
    ) -> None:
        script = str(ROOT / "tests/hosts/workers/crowd.mjs")
        super().__init__([node(), script, url, str(count), transports], env)
        self._answers = 0

    def ask(self, name: str, *args: Any, within: float = STEP) -> Any:
        """Give a command and return the answer."""
        self.tell(json.dumps([name, *args]))
        self._answers += 1
        deadline = time.monotonic() + within
        while True:
            answers = [line for line in self.lines() if line.startswith("answer ")]
            if len(answers) >= self._answers:
                return json.loads(answers[self._answers - 1].removeprefix("answer "))
            if time.monotonic() > deadline:
                raise Late(f"no answer to {name}\n{self.report()}")
            time.sleep(0.005)

    def assert_one_server(self, server: Fleet) -> None:
        """24 clients on four workers: answers, upgrades and emits reach all, wherever they are."""
        self.ask("chatter")
        self.ask("answers", 200)
        self.ask("upgraded")
        assert set(self.ask("pids")) == set(server.workers())
        assert self.ask("call", 0, "count") == [4, 24]
        self.ask("emit", 0, "say", None, "hello", {"a": [1]})
        assert sorted(self.ask("call", 1, "ask")) == list(range(24))
        self.ask("stop")
        assert self.ask("heard") == [[["hello", {"a": [1]}]]] * 24
        assert self.assert_nothing_went_wrong()["reasons"] == {}
        assert sum(stats["siblings_handed_over"] for stats in server.all_stats().values()) > 0

    def assert_nothing_went_wrong(self, resets: int = 0) -> dict[str, Any]:
        """No error at connecting, no wrong or missing answer; return what was seen.

        Args:
            resets: How many requests may meet the end of the kept-alive connection on which
                they are sent, where workers end (RFC 9112 §9.5); clients send them again.
        """
        seen: dict[str, Any] = self.ask("seen")
        assert (seen["wrong"], seen["late"]) == (0, 0), seen
        assert len(seen["errors"]) <= resets, seen
        assert {error.rpartition(" ")[0] for error in seen["errors"]} <= RESETS, seen
        return seen


@contextmanager
def fleet(*flags: str, **options: Any) -> Iterator[Fleet]:
    """A gunicorn whose workers have found each other; it has to end clean."""
    with Fleet(*flags, **options) as running:
        running.wait_until_complete(options.get("workers", 4))
        yield running
        running.stop()


@contextmanager
def forked(*arguments: str, **options: Any) -> Iterator[Forked]:
    """The same for a program that forks its workers itself."""
    with Forked(*arguments, **options) as running:
        running.wait_until_complete(options.get("workers", 4))
        yield running
        running.stop()


@contextmanager
def crowd(url: str, count: int, *args: Any, **options: Any) -> Iterator[Crowd]:
    """Clients that are connected."""
    with Crowd(url, count, *args, **options) as clients:
        clients.ask("connected")
        yield clients

"""One server of a cluster: a process that obeys, whichever language it is written in."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any

from tests.cluster.values import freeze, thaw
from tests.processes import DEADLINE, Late, Process, node, python

HERE = Path(__file__).resolve().parent

#: The program of each kind of server.
SERVERS = {
    "node": lambda: [node(), str(HERE / "peer.mjs")],
    "python": lambda: python("-m", "tests.cluster.ours"),
}
#: The program of each kind of emitter.
EMITTERS = {
    "node": lambda: [node(), str(HERE / "emitter.mjs")],
    "python": lambda: python("-m", "tests.cluster.our_emitter"),
}


class Refused(Exception):
    """An operation raised.

    Attributes:
        kind: The name of the exception, as this package calls it.
        responses: What had been answered until then, if that is known.
        missing: Which servers did not answer, if that is known.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error['kind']}: {error['message']}")
        self.kind: str = error["kind"]
        self.responses: list[Any] | None = error.get("responses")
        self.missing: Any = error.get("missing")


class Obedient(Process):
    """A process that takes orders as lines of JSON."""

    def __init__(self, command: Sequence[str], settings: Mapping[str, Any]) -> None:
        self._numbers = itertools.count(1)
        self._answers: dict[int, Future[Any]] = {}
        self._news = threading.Condition()
        self._reports: list[dict[str, Any]] = []
        super().__init__([*command, json.dumps(settings)])

    def on_line(self, name: str, line: str) -> None:
        if name == "stderr" or not line.startswith("{"):
            super().on_line(name, line)
            return
        message = json.loads(line)
        if "report" in message:
            with self._news:
                self._reports.append(thaw(message))
                self._news.notify_all()
        elif "error" in message:
            self._answers.pop(message["id"]).set_exception(Refused(thaw(message["error"])))
        else:
            self._answers.pop(message["id"]).set_result(thaw(message["result"]))

    def start(self, op: str, **order: Any) -> Future[Any]:
        """Give an order; the result comes later."""
        number = next(self._numbers)
        answer: Future[Any] = Future()
        self._answers[number] = answer
        # The words of the language are those of Node's API; Python keeps two for itself.
        plain = {name.rstrip("_"): value for name, value in order.items()}
        self.tell(json.dumps(freeze({"id": number, "op": op, **plain})))
        return answer

    def call(self, op: str, *, within: float = DEADLINE, **order: Any) -> Any:
        """Give an order and return its result.

        Raises:
            Refused: The operation raised.
        """
        try:
            return self.start(op, **order).result(within)
        except FutureTimeout:
            raise Late(f"no answer to {op} within {within:g} s\n{self.report()}") from None

    def reports(self, what: str, **fields: Any) -> list[dict[str, Any]]:
        """What it has reported so far, with these fields."""
        with self._news:
            return [found for found in self._reports if matches(found, what, fields)]

    def saw(self, what: str, *, within: float = 5.0, **fields: Any) -> dict[str, Any]:
        """Wait for the first report with these fields."""
        deadline = time.monotonic() + within
        with self._news:
            while True:
                for found in self._reports:
                    if matches(found, what, fields):
                        return found
                if not self._news.wait(deadline - time.monotonic()):
                    raise Late(f"no {what} with {fields}; {self._reports[-5:]}\n{self.report()}")

    def hang(self) -> None:
        """SIGSTOP: it answers nothing, and its connections stay."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        os.kill(self._popen.pid, number)


class Member(Obedient):
    """A server of a cluster."""

    def __init__(self, kind: str, settings: Mapping[str, Any]) -> None:
        self.kind = kind
        self.port = 0  # until it says that it listens
        super().__init__(SERVERS[kind](), settings)

    def wait_listening(self) -> None:
        self.port = int(self.wait_for(r"^listening (\d+)$").group(1))

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it as an operator would; nothing of ours may have gone wrong inside."""
        try:
            self.terminate()
        finally:
            self.reap()
        assert not self.has_traceback, self.report()

    def __repr__(self) -> str:
        return f"<{self.kind}:{self.port}>"


def matches(found: Mapping[str, Any], what: str, fields: Mapping[str, Any]) -> bool:
    return found["report"] == what and all(found.get(key) == fields[key] for key in fields)

"""Orders come as lines of JSON on the standard input, answers and reports go out the same way.

The twin of control.mjs, for processes of this package; `member.py` is at the other end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from tests.cluster.values import freeze, thaw


def write(message: dict[str, Any]) -> None:
    print(json.dumps(freeze(message)), flush=True)


def report(what: str, **fields: Any) -> None:
    write({"report": what, **fields})


def answer(operations: Any, order: dict[str, Any]) -> None:
    number, name = order.pop("id"), order.pop("op")
    try:
        result = getattr(operations, name)(thaw(order))
    except Exception as error:  # noqa: BLE001
        told = {
            "kind": type(error).__name__,
            "message": str(error),
            "responses": getattr(error, "responses", None),
            "missing": getattr(error, "missing", None),
        }
        write({"id": number, "error": told})
    else:
        write({"id": number, "result": result})


def obey(operations: Any, lines: Iterable[str | bytes], start: Callable[..., Any]) -> None:
    """Obey until the standard input ends, and then end the process.

    Args:
        operations: Has a method for each order.
        lines: The standard input.
        start: Called with a function and its arguments for each order.
    """
    for line in lines:
        start(answer, operations, json.loads(line))
    os._exit(0)

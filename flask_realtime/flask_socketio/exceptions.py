"""What handlers raise to refuse a client, and what calls raise: the names applications import."""

from __future__ import annotations

import builtins
from typing import Any

from ..errors import AckTimeout, ConnectError

__all__ = ["ConnectionRefusedError", "TimeoutError", "refusal_of"]

_REFUSED = "Connection refused by server"
_REJECTED = "Connection rejected by server"

#: Raised by ``call()`` when there is no answer; it is the built-in ``TimeoutError`` as well.
TimeoutError = AckTimeout


class ConnectionRefusedError(Exception):
    """Raise it in a ``connect`` handler to refuse the client.

    Args:
        args: The message, and data for the client; several values of data become a list.
    """

    @property
    def error_args(self) -> dict[str, Any]:
        """What the client is told."""
        message, *data = self.args or (_REJECTED,)
        told: dict[str, Any] = {"message": str(message)}
        if data:
            told["data"] = data[0] if len(data) == 1 else data
        return told


def refusal_of(outcome: object) -> ConnectError | None:
    """Return the refusal that the result of a ``connect`` handler means, or what it raised.

    Args:
        outcome: ``False`` and the two errors refuse; everything else lets the client in.
    """
    if isinstance(outcome, ConnectionRefusedError):
        told = outcome.error_args
        return ConnectError(told["message"], told.get("data"))
    if isinstance(outcome, builtins.ConnectionRefusedError):
        return ConnectError(_REFUSED)
    return ConnectError(_REJECTED) if outcome is False else None

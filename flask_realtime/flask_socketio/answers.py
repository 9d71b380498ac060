"""Acknowledgements of several clients, on any server: a callback for each, as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..server.acks import BroadcastAcks

__all__ = ["EachAnswer"]

#: Seconds after which an answer is not expected any more.
PATIENCE = 600.0


class EachAnswer(BroadcastAcks):
    """Passes on the values of each client that answers; the end of all is of no interest.

    Args:
        callback: ``fn(*values)``; it must not block.
        patience: Seconds that clients have.
    """

    def __init__(self, callback: Callable[..., Any], patience: float = PATIENCE) -> None:
        super().__init__(_ended, patience, lambda values: callback(*values))


def _ended(error: Exception | None, responses: list[Any]) -> None:
    """Each answer has been passed on by now."""

"""The argument of ``connection_error`` listeners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["RefusedRequest"]


@dataclass(frozen=True)
class RefusedRequest:
    """Why a request was refused: the argument of ``connection_error`` listeners.

    Attributes:
        environ: The request.
        code: The number of the error.
        message: Its text.
        context: More about the cause.
    """

    environ: Mapping[str, Any]
    code: int
    message: str
    context: Mapping[str, Any]

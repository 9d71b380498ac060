"""Imports of optional packages, with one error when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["optional"]


def optional(module: str, extra: str) -> Any:
    """Return a module of an optional package.

    Args:
        module: Its name.
        extra: The extra of this distribution that installs it.

    Raises:
        ImportError: It is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != package:
            raise
        raise ImportError(
            f"this needs the package {package!r}: pip install 'flask_realtime[{extra}]'"
        ) from None

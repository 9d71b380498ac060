"""What is said once in the log, and not for each event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .options import note_meaningless

__all__ = ["Notes"]


class Notes:
    """Remembers which keywords have been named."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def once(self, where: str, keywords: Mapping[str, Any]) -> None:
        """Name keywords that change nothing, each once.

        Args:
            where: The function that they were given to.
            keywords: What was given.
        """
        if keywords:
            new = {name: keywords[name] for name in keywords if (where, name) not in self._told}
            self._told.update((where, name) for name in new)
            note_meaningless(where, new)

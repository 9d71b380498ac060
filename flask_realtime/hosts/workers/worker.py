"""What the workers of one host need of the server around each of them."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Worker"]


class Worker(Protocol):
    """The host of one worker; gunicorn's and that of ``run(workers=…)`` are here."""

    @property
    def listeners(self) -> list[Any]:
        """The listening sockets, which name the workers that belong together."""

    @property
    def folder(self) -> str | None:
        """The folder for temporary files; ``None`` is that of the system."""

    @property
    def by_address(self) -> bool:
        """Whether each worker has listening sockets of its own for the same addresses."""

    @property
    def patience(self) -> float:
        """Seconds that requests may wait for a sibling while this worker ends."""

    @property
    def is_ending(self) -> bool:
        """Whether the worker takes no more requests by itself."""

    @property
    def is_last(self) -> bool:
        """Whether all workers end, so that none comes which could take a new session."""

    @property
    def capacity(self) -> int | None:
        """How many connections may come from siblings at a time; ``None`` is any number."""

    def serve(self, sock: Any, local: Any, peer: Any) -> None:
        """Serve a connection from ``peer`` to ``local`` as if it had been accepted here."""

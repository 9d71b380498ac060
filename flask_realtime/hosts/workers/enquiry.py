"""Whose session is it? Asked of all siblings where an application makes its own ids."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from gevent.event import AsyncResult
from gevent.timeout import Timeout

from .frames import Kind, join_parts
from .link import Link
from .mesh import Mesh

__all__ = ["Enquiry", "Unanswered"]

#: Seconds that siblings have to answer.
DEADLINE = 1.0
#: Owners that are remembered.
_MAX_KNOWN = 10_000


class Unanswered(Exception):
    """A worker has not answered in time; it may have the session."""


class _Question:
    """One question to all siblings."""

    def __init__(self, asked: int) -> None:
        self.missing = asked
        self.owner: AsyncResult[str | None] = AsyncResult()


class Enquiry:
    """Finds the owners of sessions.

    Args:
        mesh: Reaches the siblings.
        has: ``fn(sid)`` says whether a session is here.
    """

    def __init__(self, mesh: Mesh, has: Callable[[str], bool]) -> None:
        self._mesh = mesh
        self._has = has
        self._numbers = itertools.count(1)
        self._open: dict[int, _Question] = {}
        self._known: dict[str, str] = {}

    def owner(self, sid: str) -> str | None:
        """Return the worker that has a session; ``None`` when none has. May block.

        Raises:
            Unanswered: It is not known.
        """
        known = self._known.get(sid)
        if known in self._mesh.links:
            return known
        asked = len(self._mesh.links)
        if not asked:
            return None
        number, question = next(self._numbers), _Question(asked)
        self._open[number] = question
        self._mesh.send_to_all(Kind.ASK, join_parts({"number": number, "sid": sid}, b""))
        try:
            owner = question.owner.get(timeout=DEADLINE)
        except Timeout:
            raise Unanswered(sid) from None
        finally:
            del self._open[number]
        if owner is not None:
            self._remember(sid, owner)
        return owner

    def received(self, link: Link, kind: Kind, about: dict[str, Any]) -> None:
        """A sibling asks, or answers."""
        if kind is Kind.ASK:
            answer = {"number": about["number"], "has": self._has(str(about["sid"]))}
            link.send(Kind.ANSWER, join_parts(answer, b""))
            return
        question = self._open.get(int(about["number"]))
        if question is None:
            return
        question.missing -= 1
        if about["has"]:
            question.owner.set(link.tag)
        elif question.missing <= 0 and not question.owner.ready():
            question.owner.set(None)

    def _remember(self, sid: str, owner: str) -> None:
        self._known[sid] = owner
        if len(self._known) > _MAX_KNOWN:
            del self._known[next(iter(self._known))]

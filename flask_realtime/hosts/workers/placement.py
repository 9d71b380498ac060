"""Where a request belongs: pure decisions about sessions, tags and numbers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...engine.ids import new_id

__all__ = ["TAG_LENGTH", "State", "TaggedIds", "lightest", "new_tag", "tag_of"]

#: Characters at the end of an id.
TAG_LENGTH = 4
_RANDOM_LENGTH = 16
#: A worker with so many sessions more than another one passes new ones on to that.
MARGIN = 3


class State(NamedTuple):
    """What a worker says of itself."""

    #: How many sessions it has.
    sessions: int
    #: Whether it takes no more.
    is_leaving: bool = False


def new_tag() -> str:
    """Return a tag for a worker."""
    return secrets.token_urlsafe(3)


class TaggedIds:
    """Makes random ids that say to which worker they belong.

    Args:
        tag: That of the worker.
    """

    def __init__(self, tag: str) -> None:
        self._tag = tag

    def __call__(self, environ: Mapping[str, Any] | None = None) -> str:
        """Return an id: 96 random bits, 20 characters."""
        return new_id()[:_RANDOM_LENGTH] + self._tag


def tag_of(sid: str) -> str:
    """Return the tag at the end of an id; any text may be there."""
    return sid[-TAG_LENGTH:]


def lightest(own: State, others: Mapping[str, State]) -> str | None:
    """Return the worker that a new session is passed on to.

    Args:
        own: The worker that was asked for it.
        others: The other ones by tag.

    Returns:
        ``None`` when it stays here, or none of the others takes it.
    """
    open_to_all = {tag: state for tag, state in others.items() if not state.is_leaving}
    if not open_to_all:
        return None
    tag = min(open_to_all, key=lambda tag: open_to_all[tag].sessions)
    if own.is_leaving or own.sessions >= open_to_all[tag].sessions + MARGIN:
        return tag
    return None

"""``session`` in handlers: a copy that stays with the connection, or Flask's for each event."""

from __future__ import annotations

from typing import Any

from flask.sessions import SessionMixin

from ..context import EventContext

__all__ = ["ManagedSession", "begin_managed", "begin_unmanaged", "save"]

#: Where the environ of a connection holds its session.
SAVED = "saved_session"


class ManagedSession(dict[str, Any], SessionMixin):
    """The session of one connection, which all its namespaces share."""


def begin_managed(context: EventContext) -> None:
    """Let ``session`` be the connection's; it begins as a copy of the browser's."""
    environ = context.request.environ
    session = environ.get(SAVED)
    if session is None:
        session = environ[SAVED] = ManagedSession(context.session)
    context.replace_session(session)


def begin_unmanaged(context: EventContext) -> SessionMixin:
    """Open the session as a request does, for one event."""
    app, request = context.app, context.request
    opened = app.session_interface.open_session(app, request)
    session = app.session_interface.make_null_session(app) if opened is None else opened
    context.replace_session(session)
    return session


def save(context: EventContext, session: SessionMixin) -> None:
    """Save what a handler has changed; a cookie reaches no browser from here."""
    if getattr(session, "modified", True):
        app = context.app
        app.session_interface.save_session(app, session, app.response_class())

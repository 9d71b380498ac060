"""OpenTelemetry spans for the events of clients: ``io.observe(EventSpans())``.

A WebSocket lasts for hours, and the span of its request with it; so each event begins a trace of
its own, linked to that span where there is one. While the handlers run, the span is the current
one: spans of database drivers and HTTP clients become its children.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .extras import optional
from .server.observer import Observer
from .server.parent import registered_name
from .server.socket import Socket

if TYPE_CHECKING:
    from opentelemetry import context as contexts
    from opentelemetry import trace
else:
    contexts = optional("opentelemetry.context", "tracing")
    trace = optional("opentelemetry.trace", "tracing")

__all__ = ["EventSpans"]

#: Where the context of an event keeps its span.
_KEY: Final = contexts.create_key("flask_realtime-event")


class EventSpans(Observer):
    """Makes a span for each event of a client.

    Its name is that of the namespace and of the event; ``other`` stands for an event without
    handlers, and a child of a dynamic namespace has the name of its parent: names are few.
    Attributes are ``socketio.namespace``, ``socketio.event``, ``socketio.socket_id`` and
    ``socketio.transport``. What a handler raises is recorded, and makes the status ``ERROR``.

    Args:
        tracer_provider: Makes the spans; the global one by default.
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("flask_realtime", tracer_provider=tracer_provider)

    def event_received(self, socket: Socket, event: str, args: list[Any], is_known: bool) -> None:
        """Begin a span."""
        name = str(event) if is_known else "other"
        around = trace.get_current_span().get_span_context()
        span = self._tracer.start_span(
            f"{registered_name(socket.nsp)} {name}",
            context=contexts.Context(),
            kind=trace.SpanKind.SERVER,
            attributes={
                "socketio.namespace": socket.nsp.name,
                "socketio.event": name,
                "socketio.socket_id": socket.id,
                "socketio.transport": socket.conn.transport.name,
            },
            links=[trace.Link(around)] if around.is_valid else (),
        )
        current = _Current(span, socket, event)
        context = trace.set_span_in_context(span, contexts.set_value(_KEY, current))
        current.token = contexts.attach(context)

    def event_handled(self, socket: Socket, event: str, seconds: float) -> None:
        """End the span."""
        current = _current(socket, event)
        if current is not None:
            contexts.detach(current.token)
            current.span.end()

    def failed(self, error: BaseException, socket: Socket | None, event: str) -> None:
        """Record what a handler has raised."""
        current = _current(socket, event)
        if current is not None:
            current.span.record_exception(error)
            status = trace.Status(trace.StatusCode.ERROR, f"{type(error).__name__}: {error}")
            current.span.set_status(status)


class _Current:
    """The span of the event that a greenlet works for, and how to leave it."""

    def __init__(self, span: trace.Span, socket: Socket, event: str) -> None:
        self.span = span
        self.socket = socket
        self.event = event
        self.token: Any = None


def _current(socket: Socket | None, event: str) -> _Current | None:
    # Greenlets that a handler starts inherit its context: what they do is not its event.
    found = contexts.get_value(_KEY)
    if isinstance(found, _Current) and found.socket is socket and found.event == event:
        return found
    return None

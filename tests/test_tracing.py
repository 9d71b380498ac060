"""Spans of events: what an exporter of OpenTelemetry's SDK gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import gevent
import pytest
from flask import Flask
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flask_realtime import Realtime, Socket
from flask_realtime.testing import TestClient
from flask_realtime.tracing import EventSpans
from tests.test_names import missing, run

TRANSPORTS = ["polling", "websocket"]


class World:
    """An application whose events have spans."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("tests")
        self.flask = Flask(__name__)
        self.io = Realtime(self.flask)
        self.io.observe(EventSpans(provider))

    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())


@pytest.fixture
def world() -> World:
    return World()


def client(world: World, transport: str, **options: Any) -> TestClient:
    return TestClient(world.flask, transport=transport, raise_errors=False, **options)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_event_is_a_trace_of_its_own(world: World, transport: str) -> None:
    world.io.event("ask")(lambda socket: "yes")
    with client(world, transport) as visitor:
        assert [visitor.call("ask"), visitor.call("ask")] == ["yes", "yes"]
        sid = visitor.id
    one, two = world.spans()
    assert one.name == two.name == "/ ask"
    assert (one.parent, one.kind) == (None, trace.SpanKind.SERVER)
    assert one.context is not None
    assert two.context is not None
    assert one.context.trace_id != two.context.trace_id
    assert one.attributes == {
        "socketio.namespace": "/",
        "socketio.event": "ask",
        "socketio.socket_id": sid,
        "socketio.transport": transport,
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_a_handler_does_belongs_to_its_span(world: World, transport: str) -> None:
    @world.io.event
    def ask(socket: Socket) -> str:
        with world.tracer.start_as_current_span("query"):
            gevent.sleep(0)  # others run meanwhile
        return "yes"

    with client(world, transport) as one, client(world, transport) as two:
        one.emit("ask", wait=False)
        assert two.call("ask") == "yes"
    assert not trace.get_current_span().get_span_context().is_valid
    spans = world.spans()
    events = [span for span in spans if span.name == "/ ask"]
    queries = [span for span in spans if span.name == "query"]
    assert len(events) == len(queries) == 2
    parents = {span.parent.span_id for span in queries if span.parent is not None}
    assert parents == {span.context.span_id for span in events if span.context is not None}


def test_what_a_handler_raises_is_recorded(world: World) -> None:
    @world.io.event
    def fail(socket: Socket) -> None:
        raise RuntimeError("a defect")

    with client(world, "polling") as visitor:
        visitor.emit("fail")
        visitor.emit("unheard of")
    failed, other = world.spans()
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert failed.status.description == "RuntimeError: a defect"
    assert [event.name for event in failed.events] == ["exception"]
    assert other.status.status_code is trace.StatusCode.UNSET


def test_an_error_of_something_else_does_not_mark_the_event(world: World) -> None:
    @world.io.event
    def ask(socket: Socket) -> str:
        socket.emit("and you", ack=lambda answer: 1 // 0)
        return "yes"

    with client(world, "polling") as visitor:
        visitor.on("and you", lambda: "fine")
        visitor.call("ask")
    (span,) = world.spans()
    assert span.status.status_code is trace.StatusCode.UNSET


def test_names_of_spans_are_few(world: World) -> None:
    parent = world.io.of(re.compile(r"/room-\d+"))
    parent.event("ask", lambda socket: "yes")
    with client(world, "polling", namespace="/room-7") as visitor:
        visitor.call("ask")
        visitor.emit("made up")
    ask, other = world.spans()
    assert (ask.name, other.name) == (r"/room-\d+ ask", r"/room-\d+ other")
    assert ask.attributes is not None
    assert ask.attributes["socketio.namespace"] == "/room-7"


def test_an_event_on_a_websocket_is_linked_to_its_request(world: World) -> None:
    inner: Callable[..., Iterable[bytes]] = world.flask.wsgi_app

    def traced(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with world.tracer.start_as_current_span(environ["REQUEST_METHOD"]):
            return inner(environ, start_response)

    world.flask.wsgi_app = traced  # type: ignore[method-assign]
    world.io.event("ask")(lambda socket: "yes")
    with client(world, "websocket") as visitor:
        visitor.call("ask")
    spans = world.spans()
    (event,) = [span for span in spans if span.name == "/ ask"]
    (link,) = event.links
    (request,) = [span for span in spans if span.name == "GET"]
    assert request.context is not None
    assert link.context.span_id == request.context.span_id
    assert event.parent is None


def test_without_its_package_the_module_tells_what_to_install() -> None:
    source = """
try: import flask_realtime.tracing
except ImportError as error: print(error)
"""
    assert run(missing("opentelemetry") + source) == (
        "this needs the package 'opentelemetry': pip install 'flask_realtime[tracing]'"
    )

"""Metrics: what a scrape of a real application says after real clients."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flask_realtime import Realtime, Socket
from flask_realtime.metrics import LIMIT, STATS, RealtimeCollector
from flask_realtime.server.server import BaseServer
from flask_realtime.testing import TestClient
from tests.test_names import missing, run

ROOT = Path(__file__).resolve().parent.parent


class World:
    """A Flask application with a route for Prometheus."""

    def __init__(self) -> None:
        self.flask = Flask(__name__)
        self.io = Realtime(self.flask)
        self.registry = CollectorRegistry()
        self.registry.register(RealtimeCollector(self.io))
        # As the documentation of prometheus_client has it.
        self.flask.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
            self.flask.wsgi_app, {"/metrics": make_wsgi_app(self.registry)}
        )

    def scrape(self) -> dict[str, float]:
        """The values by name and labels, as they are written: ``name{label="value"}``."""
        text = self.flask.test_client().get("/metrics").text
        return {
            sample.name + labels(sample.labels): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


def labels(pairs: dict[str, str]) -> str:
    inner = ",".join(f'{name}="{value}"' for name, value in sorted(pairs.items()))
    return f"{{{inner}}}" if inner else ""


def place(event: str, namespace: str = "/") -> str:
    return labels({"event": event, "namespace": namespace})


@pytest.fixture
def world() -> World:
    return World()


def client(world: World, **options: Any) -> TestClient:
    return TestClient(world.flask, raise_errors=False, **options)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_scrape_counts_clients_events_and_bytes(world: World, transport: str) -> None:
    world.io.event("add")(lambda socket, a, b: a + b)
    world.io.on("connection", lambda socket: socket.emit("welcome"))
    with client(world, transport=transport) as visitor:
        assert visitor.call("add", 1, 2) == 3
        visitor.call("add", 3, 4)
        found = world.scrape()
    other = {"polling": "websocket", "websocket": "polling"}[transport]
    assert found[f'realtime_clients{{transport="{transport}"}}'] == 1
    assert found[f'realtime_clients{{transport="{other}"}}'] == 0
    assert found['realtime_sockets{namespace="/"}'] == 1
    assert found[f"realtime_event_seconds_count{place('add')}"] == 2
    assert 0 < found[f"realtime_event_seconds_sum{place('add')}"] < 5
    assert found[f"realtime_events_emitted_total{place('welcome')}"] == 1
    assert found["realtime_messages_received_total"] >= 3
    assert found["realtime_received_bytes_total"] > 20
    assert found["realtime_sent_bytes_total"] > 20
    assert found["realtime_connections_total"] == 1
    assert found["realtime_hub_lag_seconds"] >= 0
    gone = world.scrape()
    assert gone[f'realtime_clients{{transport="{transport}"}}'] == 0
    reason = '{namespace="/",reason="client namespace disconnect"}'
    assert gone[f"realtime_disconnects_total{reason}"] == 1


def test_the_buckets_of_the_histogram_can_be_chosen(world: World) -> None:
    registry = CollectorRegistry()
    registry.register(RealtimeCollector(world.io, buckets=(1, 2)))
    world.io.event("ask")(lambda socket: "yes")
    with client(world) as visitor:
        visitor.call("ask")
    bounds = {
        sample.labels["le"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "realtime_event_seconds_bucket"
    }
    assert bounds == {"1.0", "2.0", "+Inf"}


def test_events_without_a_handler_share_one_label(world: World) -> None:
    with client(world) as visitor:
        for number in range(5):
            visitor.emit(f"made up {number}")
    found = world.scrape()
    assert found[f"realtime_event_seconds_count{place('other')}"] == 5
    assert not [name for name in found if "made up" in name]


def test_handlers_of_each_kind_give_their_events_a_label(world: World) -> None:
    def connected(socket: Socket) -> None:
        socket.on("own", print)
        socket.once("once", lambda: 1 // 0)

    world.io.on("connection", connected)
    world.io.event("shared")(lambda socket: None)
    with client(world) as visitor:
        for event in ("own", "once", "shared"):
            visitor.emit(event)
    found = world.scrape()
    counts = [found[f"realtime_event_seconds_count{place(e)}"] for e in ("own", "once", "shared")]
    assert counts == [1, 1, 1]
    assert found[f"realtime_handler_errors_total{place('once')}"] == 1


def test_catch_all_listeners_give_no_labels_not_even_when_they_fail(world: World) -> None:
    world.io.on("connection", lambda socket: socket.on_any(lambda event: 1 // 0))
    with client(world) as visitor:
        visitor.emit("made up")
    found = world.scrape()
    assert found[f"realtime_handler_errors_total{place('other')}"] == 1
    assert not [name for name in found if "made up" in name]


def test_errors_outside_of_events_are_counted_under_what_they_belong_to(world: World) -> None:
    @world.io.on("connection")
    def connected(socket: Socket) -> None:
        socket.on("disconnect", lambda reason: 1 // 0)
        raise RuntimeError("a defect")

    client(world).disconnect()
    found = world.scrape()
    assert found[f"realtime_handler_errors_total{place('connection')}"] == 1
    assert found[f"realtime_handler_errors_total{place('disconnect')}"] == 1


def test_children_of_a_dynamic_namespace_have_the_label_of_their_parent(world: World) -> None:
    parent = world.io.of(re.compile(r"/room-\d+"))
    parent.event("ask", lambda socket: "yes")
    with client(world, namespace="/room-1") as one, client(world, namespace="/room-2") as two:
        assert [one.call("ask"), two.call("ask")] == ["yes", "yes"]
        found = world.scrape()
    name = r"/room-\d+"
    assert found[f"realtime_event_seconds_count{place('ask', name)}"] == 2
    assert found[f'realtime_sockets{{namespace="{name}"}}'] == 2
    assert not [name for name in found if "/room-1" in name]


def test_the_number_of_labels_has_a_bound(world: World) -> None:
    for number in range(LIMIT + 10):
        world.io.emit(f"news of {number}")
    found = [name for name in world.scrape() if name.startswith("realtime_events_emitted_total")]
    assert len(found) == LIMIT + 1
    beyond = place("other", "other")
    assert world.scrape()[f"realtime_events_emitted_total{beyond}"] == 10


def test_a_scrape_may_run_in_another_thread(world: World) -> None:
    found: list[dict[str, float]] = []
    with client(world):
        thread = threading.Thread(target=lambda: found.append(world.scrape()))
        thread.start()
        thread.join(10)
    assert found[0]["realtime_connections_total"] == 1


def test_the_registry_knows_the_names_beforehand(world: World) -> None:
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        world.registry.register(RealtimeCollector(Realtime(Flask("another"))))


def test_counters_of_adapters_and_siblings_have_names_and_those_of_others_too(
    world: World,
) -> None:
    more = {"adapter_published": 3, "siblings": 2, "siblings_taken": 1, "adapter_half-known": 5}
    world.io.engine.add_stats(lambda: more)
    found = world.scrape()
    assert found["realtime_adapter_published_total"] == 3
    assert found["realtime_siblings"] == 2
    assert found["realtime_siblings_taken_total"] == 1
    assert found["realtime_adapter_half_known"] == 5


def test_each_documented_counter_has_a_metric(world: World) -> None:
    page = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
    counters = page.partition("## Counters")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| (?:now|sum) \|", counters, re.MULTILINE)
    keys = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    parts = {"clients", "polling_clients", "websocket_clients", "handler_errors"}
    assert keys == set(STATS) | parts
    assert parts - {"handler_errors"} < set(world.io.engine.stats())


def test_names_follow_the_conventions() -> None:
    for name, text in STATS.values():
        assert re.fullmatch(r"realtime_[a-z_]+", name)
        assert text.endswith(".")


def test_each_metric_is_documented_with_its_labels(world: World) -> None:
    world.io.event("fail")(lambda socket: 1 // 0)
    world.io.engine.add_stats(lambda: dict.fromkeys(STATS, 1))
    with client(world) as visitor:
        visitor.emit("fail")
        world.io.emit("news")
    found: dict[str, set[str]] = {}
    for family in world.registry.collect():
        for sample in family.samples:
            if not sample.name.endswith(("_created", "_bucket", "_count", "_sum")):
                found[sample.name] = set(sample.labels)
            elif sample.name.endswith("_sum"):
                found[family.name] = set(sample.labels)
    assert found == documented_labels()


def documented_labels() -> dict[str, set[str]]:
    """The labels of each metric, as the table of the documentation has them."""
    page = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
    found = {}
    for names, cells in re.findall(r"^\| (`realtime_.+?) \| (.*?) ?\|", page, re.MULTILINE):
        for name in re.findall(r"`(realtime_\w+)`", names):
            found[name] = set(re.findall(r"`(\w+)`", cells))
    return found


def test_the_dashboard_asks_for_metrics_and_labels_that_are_there() -> None:
    known = documented_labels()
    for name in ("bucket", "count", "sum"):
        known[f"realtime_event_seconds_{name}"] = known["realtime_event_seconds"] | {"le"}
    board = json.loads((ROOT / "examples" / "grafana.json").read_text(encoding="utf-8"))
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    shown: set[str] = set()
    for panel in panels:
        for target in panel["targets"]:
            names = set(re.findall(r"realtime_\w+", target["expr"]))
            assert names <= set(known), target["expr"]
            for text in re.findall(r"by \((.+?)\)", target["expr"]):
                for name in names:
                    assert set(text.split(", ")) <= known[name] | {"instance"}, target["expr"]
            shown |= {re.sub(r"(seconds)_(bucket|count|sum)$", r"\1", name) for name in names}
    assert shown == set(documented_labels())


def test_another_object_than_a_server_is_refused() -> None:
    server: Any = BaseServer()
    with pytest.raises(TypeError, match="takes a Realtime or a Server"):
        RealtimeCollector(server)


def test_without_its_package_the_module_tells_what_to_install() -> None:
    source = """
try: import flask_realtime.metrics
except ImportError as error: print(error)
"""
    assert run(missing("prometheus_client") + source) == (
        "this needs the package 'prometheus_client': pip install 'flask_realtime[metrics]'"
    )

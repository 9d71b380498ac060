"""Metrics of a server for ``prometheus_client``: a collector for any registry.

It has the counters of ``io.engine.stats()``, under names that follow Prometheus's conventions,
and what an observer sees: the time of events, errors, what is emitted, connections.

Clients choose the names of events and, where namespaces are dynamic, of namespaces. A time series
for each would fill the memory here and in Prometheus, so an event has a label of its own only when
a handler is registered for it, a child has the name of its parent, and beyond ``LIMIT`` pairs of
both all the rest counts as ``other``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from .adapters.values import Target
from .extras import optional
from .reasons import Reason
from .server.client import Client
from .server.namespace import Namespace
from .server.observer import Observer
from .server.parent import registered_name
from .server.socket import Socket
from .serving import Server

if TYPE_CHECKING:
    from prometheus_client import core
else:
    core = optional("prometheus_client.core", "metrics")

__all__ = ["BUCKETS", "LIMIT", "OTHER", "STATS", "RealtimeCollector"]

#: Pairs of a namespace and an event that have time series of their own.
LIMIT: Final = 500
#: The label of those that have none.
OTHER: Final = "other"
#: Upper bounds of the histogram, in seconds, unless others are given.
BUCKETS: Final[tuple[float, ...]] = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
#: The name of the metric of each key of ``io.engine.stats()``, and what it is.
STATS: Final[dict[str, tuple[str, str]]] = {
    "messages_in": ("realtime_messages_received_total", "Packets from clients."),
    "messages_out": ("realtime_messages_sent_total", "Packets sent to clients."),
    "bytes_in": ("realtime_received_bytes_total", "Bytes of frames and bodies from clients."),
    "bytes_out": ("realtime_sent_bytes_total", "Bytes of frames and bodies sent to clients."),
    "outbox_bytes": ("realtime_outbox_bytes", "Bytes that wait for slow clients."),
    "hub_lag": ("realtime_hub_lag_seconds", "Longest blockage of the hub in the last 10 to 20 s."),
    "adapter_published": ("realtime_adapter_published_total", "Messages accepted by Redis."),
    "adapter_unsent": ("realtime_adapter_unsent_total", "Messages others may not have got."),
    "adapter_queued_bytes": ("realtime_adapter_queued_bytes", "Bytes that wait for Redis."),
    "adapter_received": ("realtime_adapter_received_total", "Messages from Redis."),
    "adapter_malformed": ("realtime_adapter_malformed_total", "Malformed messages of others."),
    "adapter_reconnects": ("realtime_adapter_reconnects_total", "Connections made again."),
    "adapter_gaps": ("realtime_adapter_gaps_total", "Times Redis dropped unread entries."),
    "siblings": ("realtime_siblings", "Other workers that this one can reach."),
    "siblings_handed_over": ("realtime_siblings_handed_over_total", "Connections passed on."),
    "siblings_taken": ("realtime_siblings_taken_total", "Connections taken from others."),
    "siblings_refused": ("realtime_siblings_refused_total", "Connections others did not take."),
    "siblings_dropped": ("realtime_siblings_dropped_total", "Times another missed messages."),
}
#: Keys whose sum is that of a metric with labels.
_IN_PARTS: Final = frozenset({"clients", "polling_clients", "websocket_clients", "handler_errors"})
_TRANSPORTS: Final = ("polling", "websocket")
_PLACE: Final = ("namespace", "event")
#: What handlers run for besides events of clients, as ``failed`` names it.
_OCCASIONS: Final = frozenset(
    {"acknowledgement", "connection", "disconnect", "disconnecting", "middleware", "namespace"}
)
_REASONS: Final = frozenset(value for name, value in vars(Reason).items() if name.isupper())


class RealtimeCollector:
    """Collects the metrics of one server; ``registry.register(RealtimeCollector(io))``.

    It observes the server from then on. Made before a fork, it counts for each process. It may
    be asked in any thread.

    Args:
        io: The server.
        buckets: Upper bounds of the histogram of ``realtime_event_seconds``, in seconds.

    Raises:
        TypeError: It is not a server.
    """

    def __init__(self, io: Server, *, buckets: Sequence[float] = BUCKETS) -> None:
        if not isinstance(io, Server):
            raise TypeError(f"RealtimeCollector() takes a Realtime or a Server, not {io!r}")
        self._io = io
        self._tally = _Tally(buckets)
        io.observe(self._tally)

    def collect(self) -> Iterator[core.Metric]:
        """Return the metrics with their values."""
        stats = self._io.engine.stats()
        yield _clients({name: stats[f"{name}_clients"] for name in _TRANSPORTS})
        yield _sockets(self._tally.by_namespace(self._io.namespaces.values()))
        for key, value in stats.items():
            if key not in _IN_PARTS:
                family = _family(key)
                family.add_metric((), value)
                yield family
        yield from self._tally.collect()

    def describe(self) -> Iterator[core.Metric]:
        """Return the metrics without values, for the registry."""
        yield _clients({})
        yield _sockets({})
        yield from map(_family, STATS)
        yield from self._tally.describe()


class _Places:
    """Namespaces and events as labels, a bounded number of them."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    def label(self, name: str, event: str, is_known: bool) -> tuple[str, str]:
        """Return the labels of an event.

        Args:
            name: The namespace.
            event: The event.
            is_known: Whether its name is the application's. It is remembered.
        """
        place = (name, event)
        if not is_known and place not in self._known:
            place = (name, OTHER)
        if place not in self._known:
            if len(self._known) >= LIMIT:
                return OTHER, OTHER
            self._known.add(place)
        return place


class _Tally(Observer):
    """Counts what happens on one server."""

    def __init__(self, buckets: Sequence[float]) -> None:
        self._received = _Places()
        self._sent = _Places()
        self._seconds = core.Histogram(
            "realtime_event_seconds", "Time that the handlers of an event take.", _PLACE,
            registry=None, buckets=buckets,
        )  # fmt: skip
        self._errors = _counter("handler_errors", "Exceptions that handlers have raised.", *_PLACE)
        self._emitted = _counter("events_emitted", "Events that this server has emitted.", *_PLACE)
        self._connections = _counter("connections", "Connections that were opened.")
        self._left = _counter("disconnects", "Sockets that have left.", "namespace", "reason")

    def collect(self) -> Iterator[core.Metric]:
        """Return the metrics with their values."""
        for metric in self._metrics():
            yield from metric.collect()

    def describe(self) -> Iterator[core.Metric]:
        """Return the metrics without values."""
        for metric in self._metrics():
            yield from metric.describe()

    def _metrics(self) -> Iterable[Any]:
        return self._seconds, self._errors, self._emitted, self._connections, self._left

    def by_namespace(self, namespaces: Iterable[Namespace]) -> Counter[str]:
        """Return how many sockets there are, by the label of their namespace."""
        found: Counter[str] = Counter()
        for namespace in namespaces:
            found[self._namespace(namespace)] += len(namespace.sockets)
        return found

    def connected(self, client: Client) -> None:
        """Count a session."""
        self._connections.inc()

    def event_received(self, socket: Socket, event: str, args: list[Any], is_known: bool) -> None:
        """Learn the names for which there are handlers, before those for once are gone."""
        self._received.label(registered_name(socket.nsp), str(event), is_known)

    def event_handled(self, socket: Socket, event: str, seconds: float) -> None:
        """Take the time of an event."""
        place = self._received.label(registered_name(socket.nsp), str(event), False)
        self._seconds.labels(*place).observe(seconds)

    def emitted(
        self, namespace: Namespace, target: Target, event: str, args: tuple[Any, ...]
    ) -> None:
        """Count an event that the application has sent."""
        place = self._sent.label(registered_name(namespace), str(event), True)
        self._emitted.labels(*place).inc()

    def left(self, socket: Socket, reason: str) -> None:
        """Count a socket that has left."""
        name = self._namespace(socket.nsp)
        self._left.labels(name, reason if reason in _REASONS else OTHER).inc()

    def failed(self, error: BaseException, socket: Socket | None, event: str) -> None:
        """Count an exception."""
        name = "" if socket is None else registered_name(socket.nsp)
        place = self._received.label(name, str(event), event in _OCCASIONS)
        self._errors.labels(*place).inc()

    def _namespace(self, namespace: Namespace) -> str:
        return self._received.label(registered_name(namespace), OTHER, False)[0]


def _counter(name: str, text: str, *labels: str) -> core.Counter:
    return core.Counter(f"realtime_{name}", text, labels, registry=None)


def _clients(counts: dict[str, float]) -> core.Metric:
    family = core.GaugeMetricFamily("realtime_clients", "Open connections.", labels=("transport",))
    for transport, count in counts.items():
        family.add_metric((transport,), count)
    return family


def _sockets(counts: dict[str, int]) -> core.Metric:
    family = core.GaugeMetricFamily(
        "realtime_sockets", "Sockets in a namespace.", labels=("namespace",)
    )
    for name, count in counts.items():
        family.add_metric((name,), count)
    return family


def _family(key: str) -> Any:
    """Return the metric of a key of ``stats()``, without a value."""
    if key not in STATS:
        # A counter of another adapter: what it counts is for its author to say.
        name = re.sub(r"\W", "_", f"realtime_{key}", flags=re.ASCII)
        return core.UnknownMetricFamily(name, f"{key} of io.engine.stats().")
    name, text = STATS[key]
    if name.endswith("_total"):
        return core.CounterMetricFamily(name, text)
    return core.GaugeMetricFamily(name, text)

"""What applications hold shows its API, and nothing of the server's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flask_realtime

DOCS = Path(__file__).parent.parent / "docs"

#: The methods and properties of the Socket.IO documentation, in snake_case.
SELECTORS = {"to", "in_", "except_", "local"}
MODIFIERS = {"volatile", "compress", "timeout"}
SENDING = {"emit", "emit_with_ack", "send", "write"}
LISTENING = {"on", "once", "off", "listeners", "remove_all_listeners", "event_names"}
LISTENING |= {"prepend_listener", "prepend_once_listener"}
CATCH_ALL = {"on_any", "prepend_any", "off_any", "listeners_any"}
CATCH_ALL |= {f"{name}_outgoing" for name in CATCH_ALL}
ACTING = {"fetch_sockets", "all_sockets", "sockets_join", "sockets_leave", "disconnect_sockets"}
CLUSTER = {"server_side_emit", "server_side_emit_with_ack"}

OPERATOR = SELECTORS | MODIFIERS | SENDING | ACTING
SOCKET = SELECTORS | MODIFIERS | SENDING | LISTENING | CATCH_ALL | {
    "broadcast", "client", "conn", "connected", "data", "disconnect", "disconnected", "handshake",
    "id", "join", "leave", "nsp", "recovered", "request", "rooms", "use",
}  # fmt: skip
NAMESPACE = OPERATOR | LISTENING | CLUSTER | {
    "adapter", "event", "fallback", "name", "server", "sockets", "use",
}  # fmt: skip
SERVER = OPERATOR | LISTENING | CLUSTER | {
    "bind", "close", "engine", "event", "fallback", "health", "namespaces", "observe", "of",
    "on_error", "onconnection", "options", "register", "run", "sleep", "sockets", "start",
    "start_background_task", "stop", "test_client", "use",
}  # fmt: skip

#: For the server's own parts: what engine, hosts, clients and namespaces call, and the objects
#: that they share.
SEAMS = {
    "Namespace": {"bind"},
    "Server": {
        "admit", "application", "backends", "close_adapters", "configure", "drain", "end",
        "handle", "hub", "joined", "joiners", "left", "max_message_size", "now", "on_open",
        "parser", "refuse", "registrations", "runner", "serve", "spread", "start_adapter",
        "use_adapters",
    },
}  # fmt: skip
SEAMS["ParentNamespace"] = SEAMS["Namespace"]
SEAMS["Realtime"] = SEAMS["Server"]

API = {
    "BroadcastOperator": OPERATOR,
    "Namespace": NAMESPACE,
    "ParentNamespace": NAMESPACE | {"children", "matcher"},
    "Realtime": SERVER | {"init_app"},
    "RemoteSocket": {
        "data", "disconnect", "emit", "emit_with_ack", "handshake", "id", "join", "leave", "rooms",
        "timeout",
    },
    "Server": SERVER,
    "Socket": SOCKET,
}  # fmt: skip


def public(names: list[str]) -> set[str]:
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("name", API)
def test_a_class_shows_its_api_and_its_seams(name: str) -> None:
    shown = public(dir(getattr(flask_realtime, name)))
    allowed = API[name] | SEAMS.get(name, set())
    assert shown <= allowed, f"not in the API: {sorted(shown - allowed)}"


def test_objects_show_all_of_it() -> None:
    server = flask_realtime.Server()
    namespace, parent = server.of("/chat"), server.of(re.compile("room"))
    for found, name in ((server, "Server"), (namespace, "Namespace"), (parent, "ParentNamespace")):
        assert public(dir(found)) == API[name] | SEAMS[name]
    assert public(dir(server.to("room"))) == OPERATOR


def test_a_socket_shows_nothing_else() -> None:
    from tests.worlds import ServerWorld

    world = ServerWorld()
    seen: list[set[str]] = []
    world.io.on("connection", lambda socket: seen.append(public(dir(socket))))
    world.network.joined()
    world.network.close()
    assert seen == [SOCKET]


@pytest.mark.parametrize("name", sorted(set().union(*API.values()) - {"matcher"}))
def test_the_documents_name_all_of_it(name: str) -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in DOCS.glob("*.md"))
    assert re.search(rf"\b{re.escape(name)}\b", text), f"no document names {name}"

"""gunicorn with many workers is one server: real processes, the official client."""

from __future__ import annotations

import pytest

from tests.hosts.conftest import GEVENT_WEBSOCKET_WORKER, Certificate
from tests.hosts.workers.crowd import crowd, fleet

KINDS = ["gevent", "gevent_pywsgi", GEVENT_WEBSOCKET_WORKER]


@pytest.mark.parametrize("kind", KINDS)
def test_clients_on_any_worker_are_clients_of_one_server(kind: str) -> None:
    with fleet(kind=kind) as server, crowd(server.url, 24) as clients:
        clients.ask("chatter")
        clients.ask("answers", 200)
        clients.ask("upgraded")
        assert set(clients.ask("pids")) == set(server.workers())
        assert clients.ask("call", 0, "count") == [4, 24]
        clients.ask("emit", 0, "say", None, "hello", {"a": [1]})
        assert sorted(clients.ask("call", 1, "ask")) == list(range(24))
        clients.ask("stop")
        assert clients.ask("heard") == [[["hello", {"a": [1]}]]] * 24
        assert clients.assert_nothing_went_wrong()["reasons"] == {}
        moved = sum(stats["siblings_handed_over"] for stats in server.all_stats().values())
        assert moved > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transports", ["polling", "websocket"])
def test_each_transport_works_by_itself(kind: str, transports: str) -> None:
    with fleet(kind=kind) as server, crowd(server.url, 12, transports) as clients:
        clients.ask("chatter")
        clients.ask("answers", 100)
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}


def test_an_application_that_is_loaded_before_the_fork_works_the_same() -> None:
    with fleet("--preload") as server, crowd(server.url, 12) as clients:
        clients.ask("chatter")
        clients.ask("answers", 100)
        assert clients.ask("call", 0, "count") == [4, 12]
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}


@pytest.mark.parametrize("kind", ["gevent", "gevent_pywsgi"])
def test_connections_with_tls_are_passed_through(kind: str, certificate: Certificate) -> None:
    pair = ["--certfile", str(certificate.certificate), "--keyfile", str(certificate.key)]
    trust = {"NODE_EXTRA_CA_CERTS": str(certificate.certificate)}
    with (
        fleet(*pair, kind=kind, scheme="https") as server,
        crowd(server.url, 12, env=trust) as clients,
    ):
        clients.ask("chatter")
        clients.ask("answers", 100)
        clients.ask("upgraded")
        clients.ask("stop")
        assert clients.assert_nothing_went_wrong()["reasons"] == {}

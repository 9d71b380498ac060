"""One running server for each host; it has to be clean when it ends."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.certificate import Certificate, make_certificate
from tests.interop.running import Runner
from tests.processes import ServerProcess, node_package, python

GUNICORN_READY = r"Listening at: https?://127\.0\.0\.1:(\d+)"
GEVENT_WEBSOCKET_WORKER = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
REALTIME_WORKER = "flask_realtime.gunicorn.RealtimeWorker"


@dataclass(frozen=True)
class Host:
    """A way to serve the app; ``late`` when it accepts WebSockets before the checks."""

    name: str
    serve: tuple[str, ...] = ()
    gunicorn: tuple[str, ...] = ()
    tls: bool = False
    late: bool = False

    def command(self, certificate: Certificate) -> list[str]:
        cert, key = str(certificate.certificate), str(certificate.key)
        if self.serve:
            pair = [cert, key] if self.tls else []
            return python("-m", "tests.hosts.serve", *self.serve, *pair)
        pair = ["--certfile", cert, "--keyfile", key] if self.tls else []
        bind = ["-b", "127.0.0.1:0", "--graceful-timeout", "2", *gunicorn_flags()]
        return python("-m", "gunicorn", *bind, *self.gunicorn, *pair, "tests.hosts.app:app")

    def start(self, certificate: Certificate) -> ServerProcess:
        ready = GUNICORN_READY if self.gunicorn else r"^listening (\d+)$"
        scheme = "https" if self.tls else "http"
        return ServerProcess(self.command(certificate), ready=ready, scheme=scheme)


HOSTS = (
    Host("io.run", serve=("run",)),
    Host("io.run with TLS", serve=("run",), tls=True),
    Host("pywsgi", serve=("pywsgi",)),
    Host("pywsgi with TLS", serve=("pywsgi",), tls=True),
    Host("pywsgi with the gevent-websocket handler", serve=("gevent-websocket",), late=True),
    Host("middleware around a function", serve=("middleware",)),
    Host("gunicorn gevent", gunicorn=("-k", "gevent")),
    Host("gunicorn gevent with TLS", gunicorn=("-k", "gevent"), tls=True),
    Host("gunicorn with the worker class", gunicorn=("-k", REALTIME_WORKER)),
    Host("gunicorn with the worker class and TLS", gunicorn=("-k", REALTIME_WORKER), tls=True),
    Host("gunicorn gevent-websocket", gunicorn=("-k", GEVENT_WEBSOCKET_WORKER), late=True),
)


def gunicorn_flags() -> list[str]:
    """Newer versions open a control socket in the home directory: not in a test."""
    done = subprocess.run(
        python("-m", "gunicorn", "--help"), capture_output=True, text=True, timeout=30, check=True
    )
    flag = "--no-control-socket"
    return [flag] if flag in done.stdout else []


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module", params=HOSTS, ids=lambda host: host.name.replace(" ", "_"))
def host(request: pytest.FixtureRequest) -> Host:
    chosen: Host = request.param
    return chosen


@pytest.fixture(scope="module")
def server(host: Host, certificate: Certificate) -> Iterator[ServerProcess]:
    with host.start(certificate) as running:
        yield running
        running.stop()


@pytest.fixture(scope="session")
def official_client(trust: Mapping[str, str]) -> Iterator[Runner]:
    node_package("socket.io-client")
    runner = Runner(trust)
    yield runner
    runner.stop()


@pytest.fixture(scope="session")
def trust(certificate: Certificate) -> Mapping[str, str]:
    """What makes Node trust the certificate."""
    return {"NODE_EXTRA_CA_CERTS": str(certificate.certificate)}

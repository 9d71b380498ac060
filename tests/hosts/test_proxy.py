"""Behind an nginx that is not configured for WebSockets: clients work, and the log says why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.test_nginx import FRAME, answers, nginx, user
from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.interop.running import Runner
from tests.processes import Process, ServerProcess, eventually, free_port, python

SITE = """
server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{backend}; proxy_http_version {version}; }}
}}
"""
COMMANDS = {
    "embedded": (python("-m", "tests.hosts.serve", "run"), r"^listening (\d+)$"),
    "gunicorn": (
        python("-m", "gunicorn", "-k", "gevent", "-b", "127.0.0.1:0", "tests.hosts.app:app"),
        GUNICORN_READY,
    ),
}


@contextlib.contextmanager
def proxy(folder: Path, backend: int, version: str) -> Iterator[str]:
    """The URL of an nginx in front of a server."""
    port = free_port()
    site = SITE.format(port=port, backend=backend, version=version)
    file = folder / "nginx.conf"
    file.write_text(FRAME.format(folder=folder, configuration=site, user=user()), "utf-8")
    with Process([nginx(), "-e", "stderr", "-p", str(folder), "-c", str(file)]) as process:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url), within=10, what=f"nginx; {process.report()}")
        yield url
        process.terminate()


@pytest.mark.parametrize("host", COMMANDS)
@pytest.mark.parametrize(
    ("version", "mode"), [("1.0", "upgrade"), ("1.1", "upgrade"), ("1.0", "websocket")]
)
def test_the_proxy_is_named_with_the_remedy(
    official_client: Runner, tmp_path: Path, host: str, version: str, mode: str
) -> None:
    command, ready = COMMANDS[host]
    if host == "gunicorn":
        command = [*command, *gunicorn_flags(), "--graceful-timeout", "2"]
    with ServerProcess(command, ready=ready) as server:
        with proxy(tmp_path, server.port, version) as url:
            if mode == "upgrade":
                official_client.run("staysOnPollingBehindAProxy", mode, url)
            else:
                official_client.run("isRefusedAWebSocketByAProxy", mode, url)
            eventually(lambda: "proxy_http_version 1.1" in server.stderr)
        server.stop()
    assert server.stderr.count("proxy_http_version 1.1") == 1, server.stderr
    assert "does not give its sockets" not in server.stderr

"""Behind an nginx that is not configured for WebSockets: clients work, and the log says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.certificate import Certificate
from tests.hosts.conftest import GUNICORN_READY, gunicorn_flags
from tests.interop.running import Runner
from tests.nginx import running
from tests.processes import ServerProcess, eventually, python

SITE = """
server {
    listen 80;
    location / { proxy_pass http://backend:5000; proxy_http_version VERSION; }
}
"""
COMMANDS = {
    "embedded": (python("-m", "tests.hosts.serve", "run"), r"^listening (\d+)$"),
    "gunicorn": (
        python("-m", "gunicorn", "-k", "gevent", "-b", "127.0.0.1:0", "tests.hosts.app:app"),
        GUNICORN_READY,
    ),
}


@pytest.mark.parametrize("host", COMMANDS)
@pytest.mark.parametrize(
    ("version", "mode"), [("1.0", "upgrade"), ("1.1", "upgrade"), ("1.0", "websocket")]
)
def test_the_proxy_is_named_with_the_remedy(
    official_client: Runner,
    certificate: Certificate,
    tmp_path: Path,
    host: str,
    version: str,
    mode: str,
) -> None:
    command, ready = COMMANDS[host]
    if host == "gunicorn":
        command = [*command, *gunicorn_flags(), "--graceful-timeout", "2"]
    site = SITE.replace("VERSION", version)
    with ServerProcess(command, ready=ready) as server:
        hosts = {"backend:5000": server.port}
        with running(site, hosts, tmp_path, certificate, "/pid", forgives=[""]) as proxy:
            if mode == "upgrade":
                official_client.run("staysOnPollingBehindAProxy", mode, proxy.url)
            else:
                official_client.run("isRefusedAWebSocketByAProxy", mode, proxy.url)
            eventually(lambda: "proxy_http_version 1.1" in server.stderr)
        server.stop()
    assert server.stderr.count("proxy_http_version 1.1") == 1, server.stderr
    assert "does not give its sockets" not in server.stderr

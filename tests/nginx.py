"""A real nginx with a configuration of the documentation or of the examples, on free ports."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.certificate import Certificate
from tests.processes import Process, eventually, free_port

__all__ = ["Proxy", "running"]

# Without root, in a folder of its own; a client says in a header where it comes from.
FRAME = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
{configuration}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running nginx: its URL, and the file of the certificate that it shows."""

    url: str
    verify: str

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    @property
    def sslopt(self) -> dict[str, str]:
        """What websocket-client has to know."""
        return {"ca_certs": self.verify}

    def answers(self, path: str) -> bool:
        try:
            return requests.get(self.url + path, timeout=5, verify=self.verify).ok
        except requests.ConnectionError:
            return False


def _nginx() -> str:
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which("nginx", path=path)
    if found is None:
        pytest.fail(
            "these tests need nginx: it is neither on the PATH nor in /usr/sbin "
            "(apt-get install nginx, brew install nginx, or ./dev test)"
        )
    return found


def _user() -> str:
    """Root's nginx would give its work to a user who may not write into our folder."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(os.getegid()).gr_name};"


@contextmanager
def running(
    configuration: str,
    hosts: dict[str, int],
    folder: Path,
    certificate: Certificate,
    probe: str,
    forgives: Sequence[str] = (),
) -> Iterator[Proxy]:
    """Run nginx.

    Args:
        configuration: What belongs into its ``http`` block.
        hosts: The local port that stands for each address in it.
        folder: For its files.
        certificate: In place of the one that is named in it.
        probe: A path that the servers behind it answer.
        forgives: Parts of lines that may stand in its log as errors.
    """
    plain, tls = free_port(), free_port()
    for address, host_port in hosts.items():
        configuration = configuration.replace(address, f"127.0.0.1:{host_port}")
    configuration = configuration.replace("listen 80;", f"listen 127.0.0.1:{plain};")
    configuration = configuration.replace("listen 443 ssl;", f"listen 127.0.0.1:{tls} ssl;")
    for name, file in (("", certificate.certificate), ("_key", certificate.key)):
        line = f"ssl_certificate{name} {file};"
        configuration = re.sub(rf"ssl_certificate{name} [^;]+;", line, configuration)
    has_tls = "ssl_certificate" in configuration
    url = f"https://127.0.0.1:{tls}" if has_tls else f"http://127.0.0.1:{plain}"
    file = folder / "nginx.conf"
    file.write_text(FRAME.format(folder=folder, configuration=configuration, user=_user()), "utf-8")
    proxy = Proxy(url, str(certificate.certificate))
    with Process([_nginx(), "-e", "stderr", "-p", str(folder), "-c", str(file)]) as process:
        what = f"nginx; {process.report()}"
        eventually(lambda: proxy.answers(probe), within=10, what=what)
        if has_tls:
            answer = requests.get(f"http://127.0.0.1:{plain}/a?b", timeout=5, allow_redirects=False)
            assert (answer.status_code, answer.headers["Location"]) == (
                301,
                "https://127.0.0.1/a?b",
            )
        yield proxy
        process.terminate()
        errors = [line for line in process.stderr.splitlines() if "[error]" in line]
        unexpected = [line for line in errors if not any(part in line for part in forgives)]
        assert not unexpected, process.report()

"""The embedded server inside a gunicorn worker, under gunicorn's settings.

What gunicorn's own gevent worker does for a request is done here as well: limits of its head,
the scheme that a trusted proxy names, ``SCRIPT_NAME``, the time for which a connection is kept,
``max_requests``, the access log and the error log.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from ..quoting import shown
from .embedded import EmbeddedServer
from .handler import RealtimeHandler
from .request_head import BadHead

__all__ = ["GunicornHandler", "GunicornServer", "check"]

#: Settings that need gunicorn's own parser, with the values that do not.
_PARSER = {
    "proxy_protocol": (False, "off", None),
    "protocol": ("http", None),
    "http2_cleartext": ("off", None),
}
#: Functions that get gunicorn's own request.
_HOOKS = ("pre_request", "post_request")


def check(cfg: Any, log: Any) -> None:
    """Check the settings of gunicorn; those without a meaning here cost a line of the log.

    Raises:
        RuntimeError: There is one that cannot be served.
    """
    for name, served in _PARSER.items():
        if getattr(cfg, name, None) not in served:
            raise RuntimeError(f"RealtimeWorker cannot serve {name}: use gunicorn -k gevent")
    if "h2" in (getattr(cfg, "http_protocols", None) or ()):
        raise RuntimeError("RealtimeWorker cannot serve HTTP/2: leave h2 out of http_protocols")
    for name in _HOOKS:
        setting = cfg.settings[name]
        if setting.get() is not setting.default:
            log.warning("RealtimeWorker does not call %s: use gunicorn -k gevent for it", name)


class GunicornServer(EmbeddedServer):
    """A ``server_class`` for gunicorn's gevent worker.

    Args:
        args: What gunicorn gives.
        worker: The worker.
        keywords: What gunicorn gives.
    """

    def __init__(self, *args: Any, worker: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.worker = worker
        self.cfg: Any = worker.cfg
        self.script_name: str = os.environ.get("SCRIPT_NAME", "")
        self._networks = []
        self._trusts_all = False
        for text in self.cfg.forwarded_allow_ips:
            if text == "*":
                self._trusts_all = True
            else:
                self._networks.append(ipaddress.ip_network(text, strict=False))

    @property
    def shortest_timeout(self) -> float:
        """The shortest of the deadlines of connections, in seconds."""
        shortest = super().shortest_timeout
        return min(shortest, self.cfg.keepalive or shortest)

    def trusts(self, address: Any) -> bool:
        """Whether a peer may say which scheme its client used: ``forwarded_allow_ips``."""
        if self._trusts_all or not isinstance(address, tuple):
            return True
        try:
            found = ipaddress.ip_address(address[0])
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    def count(self) -> bool:
        """Count a request; returns whether the worker ends with it: ``max_requests``."""
        worker = self.worker
        worker.nr += 1
        if worker.nr < worker.max_requests:
            return False
        if worker.alive:
            worker.log.info("Autorestarting worker after current request.")
            worker.alive = False
        return True


class GunicornHandler(RealtimeHandler):
    """A ``wsgi_handler`` for gunicorn's gevent worker."""

    @property
    def idle_timeout(self) -> float:
        """Seconds for the next request head: ``keepalive``."""
        return self.server.cfg.keepalive or super().idle_timeout

    def read_request(self, line: bytes, block: bytes) -> dict[str, Any]:
        """Return the environ of a request, within the limits of the settings."""
        server = self.server
        _check_limits(server.cfg, line, block)
        environ = super().read_request(line, block)
        environ["RAW_URI"] = line.split(b" ", 2)[1].decode("latin-1")
        script_name = server.script_name
        if script_name:
            path = environ["PATH_INFO"]
            if not path.startswith(script_name):
                raise BadHead("the path does not begin with SCRIPT_NAME", 500)
            environ["PATH_INFO"] = path[len(script_name) :]
            environ["SCRIPT_NAME"] = script_name
        if server.count() or not server.cfg.keepalive:
            self.close_connection = True
        return environ

    def begin_environ(self, fields: dict[str, str]) -> dict[str, Any]:
        """Return what does not depend on the request line, as gunicorn has it."""
        environ = super().begin_environ(fields)
        environ["gunicorn.socket"] = self.socket
        environ.setdefault("REMOTE_ADDR", "")
        if self.server.trusts(self.client_address):
            scheme = _scheme(self.server.cfg.secure_scheme_headers, fields)
            if scheme is not None:
                environ["wsgi.url_scheme"] = scheme
        return environ

    @property
    def keeps_log(self) -> bool:
        """Whether there is an access log."""
        return bool(getattr(self.server.log, "access_log_enabled", True))

    def log_request(self, environ: dict[str, Any]) -> None:
        """Write a line to gunicorn's access log."""
        log = self.server.log
        if not self.keeps_log:
            return
        method, target, version, *_ = [*self.request_line.split(" ", 2), "-", "-", "-"]
        known = {"REQUEST_METHOD": method, "RAW_URI": target, "SERVER_PROTOCOL": version}
        if isinstance(self.client_address, tuple):
            known["REMOTE_ADDR"] = str(self.client_address[0])
        response = self.response
        answer = SimpleNamespace(
            status=self.status or "000",
            headers=[] if response is None else response.headers,
            sent=0 if response is None else self.response_length - response.head_length,
        )
        took = timedelta(seconds=max(self.time_finish - self.time_start, 0.0))
        log.access(answer, _fields_of(environ), known | environ, took)

    def log_failure(self, environ: dict[str, Any]) -> None:
        """Report the exception of an application in gunicorn's error log."""
        self.server.log.error(
            "Error handling request %s", shown(environ.get("RAW_URI", "")), exc_info=sys.exc_info()
        )


def _check_limits(cfg: Any, line: bytes, block: bytes) -> None:
    if len(line) - 2 > cfg.limit_request_line > 0:
        raise BadHead("the request line is too long", 414)
    if block.count(b"\n") > cfg.limit_request_fields:
        raise BadHead("the request head has too many fields", 431)
    longest = cfg.limit_request_field_size
    if 0 < longest < len(block) and max(map(len, block.split(b"\n"))) - 1 > longest:
        raise BadHead("a field of the request head is too long", 431)


def _scheme(names: dict[str, str], fields: dict[str, str]) -> str | None:
    """Return the scheme that the fields of a trusted proxy name.

    Raises:
        BadHead: They contradict each other.
    """
    found = None
    for name, value in names.items():
        given = fields.get("HTTP_" + name.upper().replace("-", "_"))
        if given is not None:
            scheme = "https" if given == value else "http"
            if found not in (None, scheme):
                raise BadHead("the scheme of the request is not certain")
            found = scheme
    return found


def _fields_of(environ: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (key[5:].replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]

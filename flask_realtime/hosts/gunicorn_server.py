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
from typing import Any, NamedTuple

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


class Settings(NamedTuple):
    """What each request needs of gunicorn's settings: to look one up there takes 1 µs.

    Attributes:
        keepalive: Seconds for which a connection is kept; 0 when it is not.
        max_line: Bytes of the request line; 0 when there is no limit.
        max_fields: Header fields of a request.
        max_field: Bytes of one of them; 0 when there is no limit.
        has_access_log: Whether requests are logged.
        schemes: What the fields of a trusted proxy, under their names in the environ, say of a
            request that came over TLS.
    """

    keepalive: float
    max_line: int
    max_fields: int
    max_field: int
    has_access_log: bool
    schemes: dict[str, str]

    @classmethod
    def of(cls, cfg: Any, log: Any) -> Settings:
        """Return the settings of a worker."""
        return cls(
            cfg.keepalive,
            cfg.limit_request_line,
            cfg.limit_request_fields,
            cfg.limit_request_field_size,
            getattr(log, "access_log_enabled", True),
            {
                "HTTP_" + name.upper().replace("-", "_"): value
                for name, value in cfg.secure_scheme_headers.items()
            },
        )


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
        worker.realtime_servers.append(self)
        # One that is made when the worker ends already, for what siblings hand over.
        self.is_ending = not worker.alive
        self.cfg: Any = worker.cfg
        self.settings: Settings = Settings.of(worker.cfg, self.log)
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
        return min(shortest, self.settings.keepalive or shortest)

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

    def __init__(self, sock: Any, address: Any, server: Any) -> None:
        super().__init__(sock, address, server)
        self.idle_timeout = server.settings.keepalive or self.idle_timeout
        self.logs_requests = server.settings.has_access_log

    def read_request(self, line: bytes, block: bytes) -> dict[str, Any]:
        """Return the environ of a request, within the limits of the settings."""
        server = self.server
        settings = server.settings
        if len(line) - 2 > settings.max_line > 0:
            raise BadHead("the request line is too long", 414)
        environ = super().read_request(line, block)
        # Between the method and the version, each with its space.
        environ["RAW_URI"] = line[len(environ["REQUEST_METHOD"]) + 1 : -11].decode("latin-1")
        script_name = server.script_name
        if script_name:
            path = environ["PATH_INFO"]
            if not path.startswith(script_name):
                raise BadHead("the path does not begin with SCRIPT_NAME", 500)
            environ["PATH_INFO"] = path[len(script_name) :]
            environ["SCRIPT_NAME"] = script_name
        if server.count() or not settings.keepalive:
            self.close_connection = True
        return environ

    def begin_environ(self, fields: dict[str, str]) -> dict[str, Any]:
        """Return what does not depend on the request line, as gunicorn has it."""
        # Here: fields that come again are within the limits.
        _check_fields(self.server.settings, self.head().partition(b"\n")[2][:-2])
        environ = super().begin_environ(fields)
        environ["gunicorn.socket"] = self.socket
        environ["RAW_URI"] = ""  # of each request; here, so that no copy has to grow for it
        environ.setdefault("REMOTE_ADDR", "")
        schemes = self.server.settings.schemes
        named = fields.keys() & schemes.keys()
        if named and self.server.trusts(self.client_address):
            found = {"https" if fields[name] == schemes[name] else "http" for name in named}
            if len(found) > 1:
                raise BadHead("the scheme of the request is not certain")
            environ["wsgi.url_scheme"] = found.pop()
        return environ

    def log_request(self, environ: dict[str, Any]) -> None:
        """Write a line to gunicorn's access log."""
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
        self.server.log.access(answer, _fields_of(environ), known | environ, took)

    def log_failure(self, environ: dict[str, Any]) -> None:
        """Report the exception of an application in gunicorn's error log."""
        self.server.log.error(
            "Error handling request %s", shown(environ.get("RAW_URI", "")), exc_info=sys.exc_info()
        )


def _check_fields(settings: Settings, block: bytes) -> None:
    if block.count(b"\n") > settings.max_fields:
        raise BadHead("the request head has too many fields", 431)
    longest = settings.max_field
    if 0 < longest < len(block) and max(map(len, block.split(b"\n"))) - 1 > longest:
        raise BadHead("a field of the request head is too long", 431)


def _fields_of(environ: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (key[5:].replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]

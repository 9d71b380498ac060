"""What ``run()`` takes: an address, and the keywords of gevent's server and of TLS.

All of it is checked, and certificates are read, before anything listens: gevent takes a keyword
that it does not know for an argument of TLS, and resets every connection.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..numeric import whole
from .development import OF_DEVELOPMENT, Development

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "RunOptions", "why_not"]

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 5000
_MAX_PORT = 65_535

#: Keywords of ``gevent.pywsgi.WSGIServer``.
_OF_SERVER = frozenset({"backlog", "environ", "error_log", "handler_class", "log", "spawn"})
#: What makes a TLS context, and what goes with one to each connection.
_OF_CONTEXT = frozenset({"keyfile", "certfile", "cert_reqs", "ssl_version", "ca_certs", "ciphers"})
_OF_CONNECTION = frozenset({"ssl_context", "do_handshake_on_connect", "suppress_ragged_eofs"})
_KNOWN = _OF_SERVER | _OF_CONTEXT | _OF_CONNECTION
#: Names that other servers have for a keyword here, too far from it to be found.
_ELSEWHERE = {"log_output": "log", "hostname": "host"}

#: The most workers; each of them is joined to each other.
MAX_WORKERS = 128
#: Keywords for a program of one process, and what helps.
_OF_ONE_PROCESS = {
    "spawn": "siblings hand connections over beside a pool of this server, leave out spawn",
}

_REMEDIES = {
    errno.EADDRINUSE: "The port is in use by another program: stop that, or choose another port.",
    errno.EACCES: "This user may not listen there: choose a port from 1024 on.",
    errno.EADDRNOTAVAIL: "This machine does not have that address: 0.0.0.0 stands for all it has.",
}


@dataclass(frozen=True)
class RunOptions:
    """Checked arguments of ``run()``.

    Attributes:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        server: Keywords for gevent's server.
        development: The debugger and the reloader.
        workers: How many processes serve.
    """

    host: str
    port: int
    server: Mapping[str, Any]
    development: Development
    workers: int = 1

    @classmethod
    def build(cls, host: Any, port: Any, keywords: Mapping[str, Any]) -> RunOptions:
        """Check what was given; ``None`` for host and port is the default.

        Raises:
            TypeError: A keyword is unknown, and the message names the nearest one; or keywords
                do not go together.
            ValueError: The port is not a number from 0 to 65535, there are no workers, or an
                option of the reloader is out of range.
            OSError: A certificate cannot be read.
            RuntimeError: Workers are asked for where a process cannot fork, or the debugger or
                the reloader is meant for several.
        """
        given = dict(keywords)
        development = Development.build(given)
        for name in OF_DEVELOPMENT:
            given.pop(name, None)
        workers = _workers(given.pop("workers", None), given)
        for name in given:
            if name not in _KNOWN:
                raise TypeError(_unknown(name))
        tls = {name: given.pop(name) for name in _OF_CONTEXT | _OF_CONNECTION if name in given}
        log = given.get("log")
        given["log"] = _log(development.debug if log is None else log)
        given.update(_tls({name: value for name, value in tls.items() if value is not None}))
        return cls(_host(host), _port(port), given, development, workers)

    @property
    def address(self) -> tuple[str, int]:
        """Where to listen."""
        return self.host, self.port

    @property
    def is_tls(self) -> bool:
        """Whether connections are encrypted."""
        return "ssl_context" in self.server

    def url(self, port: int) -> str:
        """Return the URL of the server, which listens on ``port``."""
        host = f"[{self.host}]" if ":" in self.host else self.host or "0.0.0.0"
        return f"{'https' if self.is_tls else 'http'}://{host}:{port}"


def why_not(options: RunOptions, error: OSError) -> tuple[str, str]:
    """Return why nothing can listen at the address, and what helps; a line each."""
    # gevent puts the address behind the text of the system. A name that cannot be resolved
    # has a number of its own.
    code = error.errno or 0
    known = code in errno.errorcode
    reason = os.strerror(code) if known else error.strerror or str(error)
    remedy = _REMEDIES.get(code, "Choose another host or port.")
    return f"Cannot listen on {options.url(options.port)}: {reason}", remedy


def _unknown(name: str) -> str:
    known = [*sorted(_KNOWN), *OF_DEVELOPMENT, "host", "port", "workers"]
    near = [_ELSEWHERE[name]] if name in _ELSEWHERE else difflib.get_close_matches(name, known, 1)
    return f"run(): unknown keyword {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _log(given: Any) -> Any:
    if given is False:
        return None
    if given is True or given == "default":
        return "default"
    if not hasattr(given, "write") and not hasattr(given, "log"):
        raise TypeError(f'log must be "default", a file or a logger, not {given!r}')
    return given


def _host(given: Any) -> str:
    if given is None:
        return DEFAULT_HOST
    if not isinstance(given, str):
        raise TypeError(f"host must be a name or an address, not {given!r}")
    return given[1:-1] if given.startswith("[") and given.endswith("]") else given


def _port(given: Any) -> int:
    if given is None:
        return DEFAULT_PORT
    if isinstance(given, str) and given.strip().isascii() and given.strip().isdigit():
        given = int(given)
    port = whole(given)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= _MAX_PORT:
        raise ValueError(f"port must be a number from 0 to {_MAX_PORT}, not {given!r}")
    return port


def _workers(given: Any, others: Mapping[str, Any]) -> int:
    """Return how many processes serve.

    Args:
        given: What was given for it.
        others: The other keywords.
    """
    count = 1 if given is None else whole(given)
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(f"run(): workers must be a number such as 4, not {given!r}")
    if not 0 < count <= MAX_WORKERS:
        raise ValueError(f"run(): workers must be from 1 to {MAX_WORKERS}, not {given!r}")
    if count == 1:
        return 1
    for name, remedy in _OF_ONE_PROCESS.items():
        if others.get(name):
            raise TypeError(f"run(): workers={count} and {name}: {remedy}")
    if not hasattr(os, "fork"):
        raise RuntimeError(
            f"run(): workers={count} needs a system that can fork: run one process for each port"
            " behind a load balancer with sticky sessions"
        )
    return count


def _tls(given: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords of TLS with a context in place of what it is made of."""
    of_context = sorted(_OF_CONTEXT & given.keys())
    if "ssl_context" in given:
        if of_context:
            raise TypeError(f"run(): {of_context[0]} and ssl_context: the context has it all")
        if not hasattr(given["ssl_context"], "wrap_socket"):
            raise TypeError(
                f"run(): ssl_context must be an ssl.SSLContext, not {given['ssl_context']!r}; "
                "certfile and keyfile name files"
            )
        return given
    if "certfile" not in given:
        if given:
            raise TypeError(f"run(): {min(given)} needs certfile or ssl_context")
        return {}
    made = {name: given.pop(name) for name in of_context}
    return {"ssl_context": _context(**made), **given}


def _context(
    certfile: str,
    keyfile: str | None = None,
    cert_reqs: Any = None,
    ssl_version: Any = None,
    ca_certs: str | None = None,
    ciphers: str | None = None,
) -> Any:
    # Its sockets are gevent's, in a process that is not patched as well.
    from gevent import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if ssl_version is None else ssl_version)
    context.load_cert_chain(certfile, keyfile)
    if ca_certs is not None:
        context.load_verify_locations(ca_certs)
    if cert_reqs is not None:
        context.verify_mode = cert_reqs
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context

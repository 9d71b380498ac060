"""Cross-origin requests: which origins are allowed, and the headers that say so.

Same origin is the default and needs no policy. The options have the names of the ``cors``
package that the reference server uses, in snake_case or as there. Two things differ on
purpose: a foreign origin is refused, not only left without headers, and credentials are never
allowed together with a wildcard (the Fetch standard forbids what that would mean).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers

from ...hints import unknown_option
from ...quoting import quoted
from .allowed_origins import DEFAULT_PORTS, check_origins
from .request import Request

__all__ = ["CorsPolicy", "is_same_origin"]

logger = logging.getLogger(__name__)

Environ = Mapping[str, Any]

_ALIASES = {
    "headers": "allowed_headers",
    "allowedHeaders": "allowed_headers",
    "exposedHeaders": "exposed_headers",
    "maxAge": "max_age",
}
_NAMES = frozenset(
    {"origin", "methods", "allowed_headers", "exposed_headers", "credentials", "max_age"}
)


def is_same_origin(request: Request) -> bool:
    """Return whether the origin of a request is the host that it was sent to.

    The scheme does not count: behind a proxy that ends TLS the server sees another one than
    the browser, and other clients, such as Swift's, name that of the WebSocket,
    ``ws`` or ``wss``. ``X-Forwarded-*`` headers do not count either; a proxy middleware that is
    configured to trust them sets ``HTTP_HOST``.
    """
    origin = request.origin
    if not origin or not (origin.isascii() and origin.isprintable()) or "#" in origin:
        # `urlsplit` would drop control characters.
        return False
    try:
        parts = urlsplit(origin.lower())
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path or parts.query:
        return False
    host = request.environ.get("HTTP_HOST", "").lower()
    if parts.netloc == host:
        return True
    # One of both may name the default port.
    default = DEFAULT_PORTS[parts.scheme]
    name = parts.netloc.rsplit(":", 1)[0] if port is not None else parts.netloc
    return ((port or default) == default and host == f"{name}:{default}") or (
        port == default and host == name
    )


class CorsPolicy:
    """The ``cors`` option.

    Args:
        option: An origin, a list of origins and patterns, a compiled pattern, ``"*"`` or
            ``True`` for all, ``fn(origin, environ) -> bool``; or a mapping with one of these
            as ``origin`` and ``methods``, ``allowed_headers``, ``exposed_headers``,
            ``credentials`` and ``max_age`` (seconds).

    Raises:
        TypeError: The mapping has an unknown key, or a value of the wrong type.
        ValueError: Credentials are combined with a wildcard, a wildcard is in a list, a text
            cannot be a header, or an origin is written as no client writes it.
    """

    def __init__(self, option: Any) -> None:
        settings = dict(option) if isinstance(option, Mapping) else {"origin": option}
        settings = {_ALIASES.get(name, name): value for name, value in settings.items()}
        for name in settings:
            if name not in _NAMES:
                raise TypeError("cors: " + unknown_option(name, _NAMES))
        self._origin = settings.get("origin", "*")
        self._any = self._origin == "*" or self._origin is True
        check_origins(self._origin)
        methods = settings.get("methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
        self._methods = _joined("methods", methods)
        self._allowed_headers = _joined("allowed_headers", settings.get("allowed_headers"))
        self._exposed_headers = _joined("exposed_headers", settings.get("exposed_headers"))
        self._credentials = settings.get("credentials") or False
        if not isinstance(self._credentials, bool):
            raise TypeError(f"cors: credentials must be True or False, not {self._credentials!r}")
        self._max_age = settings.get("max_age")
        if self._max_age is not None and type(self._max_age) is not int:
            raise TypeError(f"cors: max_age must be whole seconds, not {self._max_age!r}")
        if self._credentials and self._any:
            raise ValueError(
                "cors: credentials need a list of origins; a wildcard would let every site act "
                "in the name of your users"
            )

    def allows(self, request: Request) -> bool:
        """Return whether the origin of a request, a foreign one, may use the server."""
        origin = request.origin
        try:
            return self._any or _matches(self._origin, origin, request.environ)
        except Exception:
            logger.exception("! cors: the decision about %s failed", quoted(origin))
            return False

    def headers(self, request: Request) -> Headers:
        """Return the headers of an answer to this request."""
        headers = Headers()
        origin = request.origin
        if self._any:
            headers["Access-Control-Allow-Origin"] = "*"
        else:
            headers["Vary"] = "Origin"
            if origin is not None and self.allows(request):
                headers["Access-Control-Allow-Origin"] = origin
        if self._credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        if self._exposed_headers:
            headers["Access-Control-Expose-Headers"] = self._exposed_headers
        return headers

    def preflight_headers(self, request: Request) -> Headers:
        """Return the headers of the answer to a preflight request."""
        headers = self.headers(request)
        headers["Access-Control-Allow-Methods"] = self._methods
        allowed = self._allowed_headers
        if not allowed:
            allowed = request.environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
            headers.add("Vary", "Access-Control-Request-Headers")
        if allowed:
            headers["Access-Control-Allow-Headers"] = allowed
        if self._max_age is not None:
            headers["Access-Control-Max-Age"] = str(self._max_age)
        return headers


def _joined(name: str, value: Any) -> str:
    names = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(names, Collection) or not all(isinstance(item, str) for item in names):
        raise TypeError(f"cors: {name} must be a text or a list of texts, not {value!r}")
    text = ",".join(names)
    if not text.isprintable():
        raise ValueError(f"cors: {name} cannot be {value!r}")
    return text


def _matches(allowed: Any, origin: str | None, environ: Environ) -> bool:
    if isinstance(allowed, str):
        return allowed == origin
    if isinstance(allowed, re.Pattern):
        return allowed.fullmatch(origin) is not None
    if isinstance(allowed, Callable):  # type: ignore[arg-type]
        return bool(allowed(origin, environ))
    if isinstance(allowed, (list, tuple, set, frozenset)):
        return any(_matches(item, origin, environ) for item in allowed)
    return False

"""Requests of one test client, with its headers and its cookies.

The application is called in greenlets, as a gevent server does, without a port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import gevent
import werkzeug.test
from flask import Flask
from flask.testing import EnvironBuilder as FlaskEnvironBuilder
from gevent.event import AsyncResult
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_current_url

__all__ = ["Browser", "Exchange"]

_PEER = {"REMOTE_ADDR": "127.0.0.1"}


class Browser:
    """Calls a WSGI application with the headers and the cookies of one client.

    Args:
        application: The WSGI application.
        path: The path of the Socket.IO server.
        query: Parameters for every request.
        headers: Headers for every request.
        cookies: Cookies by name.
        flask_test_client: The test client of Flask whose cookies are used and kept.

    Raises:
        ValueError: Cookies come from more than one of these, or the test client is of another
            application.
    """

    def __init__(
        self,
        application: Callable[..., Any],
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        cookies: Mapping[str, str] | None,
        flask_test_client: Any,
    ) -> None:
        self._application = application
        self._path = path
        self._query = dict(query or {})
        self._headers = dict(headers or {})
        has_header = any(name.lower() == "cookie" for name in self._headers)
        if has_header + (cookies is not None) + (flask_test_client is not None) > 1:
            raise ValueError(
                "cookies come from cookies=, from flask_test_client= or from a Cookie header, "
                "one of them"
            )
        if flask_test_client is not None and flask_test_client.application is not application:
            raise ValueError("flask_test_client belongs to another application")
        self._jar: werkzeug.test.Client = flask_test_client or werkzeug.test.Client(
            application, use_cookies=not has_header
        )
        self._base = {**_PEER, **getattr(flask_test_client, "environ_base", {})}
        if cookies:
            url = get_current_url(self.request("GET", {}).get_environ())
            domain = urlsplit(url).hostname or "localhost"
            for name, value in cookies.items():
                self._jar.set_cookie(name, value, domain=domain)

    def request(
        self,
        method: str,
        query: Mapping[str, str],
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        wsgi: Mapping[str, Any] | None = None,
    ) -> werkzeug.test.EnvironBuilder:
        """Return a request to the server.

        Args:
            method: ``GET`` or ``POST``.
            query: What the protocol adds to the parameters of the client.
            body: The body of a POST.
            headers: What the protocol adds to the headers of the client.
            wsgi: Keys of the environ itself.
        """
        given: dict[str, Any] = {
            "method": method,
            "query_string": urlencode({**self._query, **query}),
            "headers": {**self._headers, **(headers or {})},
            "environ_base": self._base,
            "environ_overrides": wsgi,
        }
        if body is not None:
            given.update(data=body, content_type="text/plain;charset=UTF-8")
        if isinstance(self._application, Flask):
            # Its configuration says under which name and below which path it is served.
            return FlaskEnvironBuilder(self._application, self._path, **given)
        return werkzeug.test.EnvironBuilder(self._path, **given)

    def call(self, request: werkzeug.test.EnvironBuilder) -> Response:
        """Call the application in the current greenlet and return its answer."""
        # Not the method of Flask's client: that one also keeps contexts for its own greenlet.
        return werkzeug.test.Client.open(self._jar, request, buffered=True)


class Exchange:
    """A request in a greenlet of its own.

    Args:
        browser: Calls the application.
        request: The request.
        on_end: Called when the application has returned, or with what it has raised.
    """

    def __init__(
        self,
        browser: Browser,
        request: werkzeug.test.EnvironBuilder,
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self._outcome: AsyncResult[Response] = AsyncResult()
        self._on_end = on_end
        gevent.spawn(self._run, browser, request)

    def _run(self, browser: Browser, request: werkzeug.test.EnvironBuilder) -> None:
        try:
            self._outcome.set(browser.call(request))
        except Exception as error:  # noqa: BLE001 - raised again where the test waits
            self._outcome.set_exception(error)
            self._on_end(error)
        else:
            self._on_end(None)

    @property
    def is_done(self) -> bool:
        """Whether the application has returned."""
        return self._outcome.ready()

    def answer(self) -> Response:
        """Wait for the answer; raise what the application has raised."""
        found = self._outcome.get()
        assert found is not None  # without a timeout it never is
        return found

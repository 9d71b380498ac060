"""The handler of the embedded server: gevent's own, which shows itself to the application.

WebSockets are opened by the application after its checks, so that a refusal is an ordinary
HTTP answer.
"""

from __future__ import annotations

from typing import Any

from gevent.pywsgi import WSGIHandler

from .hosts import HANDLER_KEY

__all__ = ["RealtimeHandler"]


class RealtimeHandler(WSGIHandler):
    """A ``handler_class`` for ``gevent.pywsgi.WSGIServer``."""

    def get_environ(self) -> dict[str, Any]:
        """Add the handler to the environ: middlewares may wrap ``start_response``."""
        environ: dict[str, Any] = super().get_environ()
        environ[HANDLER_KEY] = self
        return environ

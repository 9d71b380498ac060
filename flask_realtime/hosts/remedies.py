"""What removes the obstacles that keep clients from WebSockets: texts for the log.

They name servers and proxies, which the engine knows nothing of.
"""

from __future__ import annotations

from typing import Final

from ..engine.requests.obstacles import Obstacle

__all__ = ["REMEDIES"]

_NGINX = (
    "nginx needs proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    'proxy_set_header Connection "upgrade"; (docs/hosts.md, "Proxies")'
)

REMEDIES: Final = {
    Obstacle.NO_SOCKET: "use io.run() or gunicorn -k gevent",
    Obstacle.HTTP_2: "let a proxy speak HTTP/2 in front, or run gunicorn with --http-protocols h1",
    Obstacle.OLD_HTTP: _NGINX,
    Obstacle.NO_UPGRADE: _NGINX,
    Obstacle.WRITE_KEPT: "put it inside, by wrapping app.wsgi_app before Realtime(app)",
}

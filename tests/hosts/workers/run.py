"""Serve the application by ``run(workers=…)``.

python -m tests.hosts.workers.run WORKERS [CERTIFICATE KEY]
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

from tests.hosts.workers.app import app, io  # noqa: E402

if os.environ.get("TEST_DIES"):
    # Each worker, as soon as it has begun.
    os.register_at_fork(after_in_child=lambda: os._exit(3))


def main(workers: str, certificate: str = "", key: str = "") -> None:
    """Serve; then say that this is over."""
    tls: dict[str, Any] = {"certfile": certificate, "keyfile": key} if certificate else {}
    io.run(app, port=0, workers=int(workers), **tls)
    print("run() has returned in", os.getpid(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

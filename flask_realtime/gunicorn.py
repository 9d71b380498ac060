"""The worker class for gunicorn: the embedded server's HTTP path in gunicorn's gevent worker.

    gunicorn -k flask_realtime.gunicorn.RealtimeWorker app:app

All else is gunicorn's: its processes, signals, logs and settings.
"""

from __future__ import annotations

import signal
from functools import partial
from typing import Any, ClassVar

from gunicorn.workers.ggevent import GeventWorker

from .hosts.gunicorn_server import GunicornHandler, GunicornServer, check

__all__ = ["RealtimeWorker"]


class RealtimeWorker(GeventWorker):
    """Serves with less work for each request than ``-k gevent``: less than half for a poll."""

    wsgi_handler: ClassVar[Any] = GunicornHandler

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: For :class:`~flask_realtime.hosts.gunicorn.WorkerWatch`: they know their connections.
        self.realtime_servers: list[GunicornServer] = []
        # gunicorn asks the worker, not its class.
        self.server_class = partial(  # type: ignore[assignment, misc]
            GunicornServer, worker=self
        )

    def init_process(self) -> None:
        """Begin; gunicorn calls it in the new process."""
        # Until gunicorn sets its own, after gevent has patched the process, the handlers are
        # those of the master: a signal would be lost, and the worker killed in the end.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self.handle_exit)
        super().init_process()

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse settings that this worker cannot serve; gunicorn calls it.

        Raises:
            RuntimeError: There is one; the message names the way out.
        """
        check(cfg, log)

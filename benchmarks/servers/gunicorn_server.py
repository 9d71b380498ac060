"""The bare server under gunicorn: one worker, of gevent's class or of this package's."""

from __future__ import annotations

import importlib
from typing import Any

import common

#: The values of --kind.
CLASSES = {"gevent": "gevent", "realtime": "flask_realtime.gunicorn.RealtimeWorker"}


def main() -> None:
    """Serve the application of gunicorn_app.py; the workers are children of this process."""
    options = common.parse_options("--kind")
    with common.imports("pip install -e '.[gunicorn,speed]'"):
        from gunicorn.app.base import BaseApplication

        if options.kind == "realtime":
            importlib.import_module("flask_realtime.gunicorn")
    if options.versions:
        common.print_versions("gevent", "gunicorn", json=common.json_module())
        return

    class Application(BaseApplication):
        """gunicorn, configured here."""

        def load_config(self) -> None:
            settings: dict[str, Any] = {
                "bind": f"{common.HOST}:{options.port}",
                "worker_class": CLASSES[options.kind],
                "loglevel": "error",
                "control_socket_disable": True,
                "post_worker_init": lambda worker: print(f"listening {options.port}", flush=True),
            }
            for name, value in settings.items():
                if name in self.cfg.settings:  # the control socket is not in every version
                    self.cfg.set(name, value)

        def load(self) -> Any:
            from gunicorn_app import app

            return app

    Application().run()


if __name__ == "__main__":
    main()

"""The bare `Server`, without Flask, with its default options, under its own embedded server."""

from __future__ import annotations

import common


def main() -> None:
    """Serve the three events of the load generator."""
    options = common.parse_options()
    with common.imports("pip install -e '.[speed]'"):
        from flask_realtime import Server  # --no-orjson must act first
    if options.versions:
        common.print_versions("gevent", json=common.json_module())
        return

    io = Server(serve_client=False)
    common.answer_load(io)
    common.announce(options.port)
    io.run(host=common.HOST, port=options.port, log=None)


if __name__ == "__main__":
    main()

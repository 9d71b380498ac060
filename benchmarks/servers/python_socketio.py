"""The Python peer: python-socketio on gevent with gevent-websocket, as its documentation shows."""

from __future__ import annotations

import common


def main() -> None:
    """Serve the three events of the load generator."""
    options = common.parse_options()
    with common.imports("pip install python-socketio gevent gevent-websocket"):
        from gevent import monkey

        monkey.patch_all()
        import socketio
        from gevent.pywsgi import WSGIServer
        from geventwebsocket.handler import WebSocketHandler
    if options.versions:
        common.print_versions("gevent", "python-socketio")
        return

    sio = socketio.Server(async_mode="gevent")
    sio.on("echo", lambda sid, payload: sio.emit("echo", payload, to=sid))
    sio.on("ack", lambda sid, payload: payload)
    sio.on("bcast", lambda sid, payload: sio.emit("b", payload))

    common.announce(options.port)
    address = (common.HOST, options.port)
    WSGIServer(
        address, socketio.WSGIApp(sio), handler_class=WebSocketHandler, log=None
    ).serve_forever()


if __name__ == "__main__":
    main()

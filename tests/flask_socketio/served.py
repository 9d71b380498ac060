"""An application of Flask-SocketIO's kind for the official client; its import is all that is ours.

python -m tests.flask_socketio.served
"""

# ruff: noqa: E402 - the first lines of a program are gevent's
from gevent import monkey

monkey.patch_all()

import sys
from typing import Any

import gevent
from flask import Flask, request, session

from flask_realtime.flask_socketio import (
    ConnectionRefusedError,
    Namespace,
    SocketIO,
    call,
    disconnect,
    emit,
    join_room,
    leave_room,
    rooms,
    send,
)

app = Flask(__name__)
app.config["SECRET_KEY"] = "a secret of the tests"
socketio = SocketIO(app, async_handlers="ordered" not in sys.argv)
connected: set[str] = set()


def here() -> Any:
    return request


@socketio.on("connect")
def connect(auth: Any) -> bool | None:
    if auth == {"refused": "quietly"}:
        return False
    if auth:
        raise ConnectionRefusedError("not you", auth)
    connected.add(here().sid)
    join_room(0)
    emit("count", len(connected), broadcast=True)
    return None


@socketio.on("disconnect")
def ended(reason: str) -> None:
    connected.discard(here().sid)
    emit("left", (here().sid, reason, 0 in rooms()), to=0, include_self=False)


@socketio.on("message")
def message(text: str) -> None:
    send(text.upper())


@socketio.on("binary")
def binary(data: bytes) -> tuple[bytes, int]:
    emit("binary", (data, len(data)))
    return data, len(data)


@socketio.on("remember")
def remember(value: Any) -> Any:
    before = session.get("value")
    session["value"] = value
    return before


@socketio.on("say")
def say(text: str) -> None:
    emit("said", text, to=0)


@socketio.on("leave")
def leave() -> None:
    leave_room(0)


@socketio.on("ask me")
def ask_me() -> Any:
    return list(call("question", (1, 2)))


@socketio.on("tell me")
def tell_me() -> None:
    emit("question", (3, 4), callback=lambda *values: emit("told", values))


@socketio.on("slow")
def slow() -> str:
    gevent.sleep(0.1)
    return "slow"


@socketio.on("quick")
def quick() -> str:
    return "quick"


@socketio.on("count down")
def count_down(start: int) -> None:
    def work() -> None:
        for number in range(start, 0, -1):
            socketio.sleep(0.001)
            emit("number", number)

    socketio.start_background_task(work)


@socketio.on("go away")
def go_away() -> None:
    disconnect()


@socketio.on("fail")
def fail() -> None:
    raise ValueError("a defect")


@socketio.on_error_default
def failed(error: Exception) -> dict[str, str]:
    return {"error": str(error), "event": here().event["message"]}


@socketio.on("*")
def anything(event: str, *args: Any) -> list[Any]:
    return [event, *args]


class Chat(Namespace):
    """A class with its own namespace."""

    def on_connect(self) -> None:
        emit("welcome", here().namespace)

    def on_say(self, text: str) -> str:
        self.emit("said", text)
        return str(here().sid)


socketio.on_namespace(Chat("/chat"))

if __name__ == "__main__":
    socketio.run(app, port=0)

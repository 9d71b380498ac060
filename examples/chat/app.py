"""A chat with rooms: Flask serves the page, Socket.IO carries the messages.

Start it with `python app.py --port 5000` or `gunicorn -k gevent app:app`.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # blocking calls in handlers let other handlers run

import argparse
import os
import secrets
import time
from collections import deque
from importlib import metadata

from flask import Flask, render_template
from names import MAX_NAME, BadName, clean_name, look

import flask_realtime
from flask_realtime import ConnectError, Realtime, Socket

MAX_TEXT = 1000  # characters of a message
MAX_ROOMS, MAX_HISTORY = 30, 50  # rooms; messages kept in each
FIRST_ROOMS = ("#lobby", "#music", "#code")
RUN = secrets.token_hex(4)  # another one tells the pages that the server has been restarted

Message = dict[str, object]

app = Flask(__name__)
io = Realtime(
    app,
    max_http_buffer_size=16_000,
    # For clients that return as well: their nickname may be taken by then.
    connection_state_recovery={"skip_middlewares": False},
)
rooms: dict[str, deque[Message]] = {room: deque(maxlen=MAX_HISTORY) for room in FIRST_ROOMS}


@app.get("/")
def index() -> str:
    return render_template(
        "index.html", max_name=MAX_NAME, max_text=MAX_TEXT, room=FIRST_ROOMS[0],
        version=flask_realtime.__version__, project=project_address(),
    )  # fmt: skip


@io.use
def claim_nickname(socket: Socket) -> None:
    """Admit a visitor under a nickname that is free; refuse one that is taken."""
    key = socket.handshake.auth.get("key")
    try:
        nickname = clean_name(socket.handshake.auth.get("nickname"), "A nickname", least=2)
    except BadName as error:
        raise ConnectError(str(error)) from None
    if not key:
        raise ConnectError("The page has to be loaded again.")
    for other in io.fetch_sockets():
        if look(other.data["nickname"]) == look(nickname):
            if other.data["key"] != key:
                raise ConnectError(f"“{nickname}” is already taken. Please choose another.")
            other.disconnect(close=True)  # the same page, reconnected before the timeout
    socket.data.update(nickname=nickname, key=key)


@io.on("connection")
def connected(socket: Socket) -> None:
    if socket.recovered:  # in its room again; what it missed is on its way
        come_back(socket)

    @socket.on("disconnect")
    def disconnected(reason: str) -> None:
        if room := socket.data.get("room"):  # kept for a client that returns
            io.to(room).emit("notice", f"{socket.data['nickname']} left")
            publish_people(room)


@io.event
def join(socket: Socket, name: object) -> dict[str, object]:
    nickname = socket.data["nickname"]
    try:
        room = open_room(name)
    except BadName as error:
        return {"error": str(error)}
    if room != socket.data.get("room"):
        leave_room(socket)
        socket.data["room"] = room
        socket.join(room)
        socket.to(room).emit("notice", f"{nickname} joined")
    publish_people(room)
    return {"nickname": nickname, "room": room, "history": list(rooms[room]), "run": RUN}


@io.event
def message(socket: Socket, text: object, key: object = None) -> dict[str, object]:
    room = socket.data.get("room")
    if room is None or not isinstance(text, str) or not 0 < len(text.strip()) <= MAX_TEXT:
        return {"error": "That message cannot be sent."}
    if not isinstance(key, str) or not 0 < len(key) <= 40:
        key = secrets.token_hex(8)
    if all(sent["key"] != key for sent in rooms[room]):  # else the answer to the first was lost
        sent: Message = {"nickname": socket.data["nickname"], "text": text.strip()}
        sent.update(at=time.time(), key=key)
        rooms[room].append(sent)
        socket.to(room).emit("message", sent)
        io.except_(room).emit("unread", room)
    return {"delivered": True}  # the acknowledgement


@io.event
def typing(socket: Socket, active: object) -> None:
    if room := socket.data.get("room"):
        socket.to(room).volatile.emit("typing", socket.data["nickname"], bool(active))


@io.event
def echo(socket: Socket) -> bool:
    return True  # the page measures how long this takes


def come_back(socket: Socket) -> None:
    if room := socket.data.get("room"):
        rooms.setdefault(room, deque(maxlen=MAX_HISTORY))
        socket.to(room).emit("notice", f"{socket.data['nickname']} is back")
        publish_people(room)


def open_room(name: object) -> str:
    """Find or create a room. The "#" distinguishes it from socket ids, which are rooms too."""
    room = "#" + clean_name(name, "The name of a room").lower().replace(" ", "-")
    if room not in rooms and len(rooms) >= MAX_ROOMS:
        empty = [old for old in rooms if old not in FIRST_ROOMS and not people_in(old)]
        if not empty:
            raise BadName(f"There are {len(rooms)} rooms already, with people in all of them.")
        del rooms[empty[0]]
    rooms.setdefault(room, deque(maxlen=MAX_HISTORY))
    return room


def leave_room(socket: Socket) -> None:
    if room := socket.data.pop("room", None):
        socket.leave(room)
        io.to(room).emit("notice", f"{socket.data['nickname']} left")
        publish_people(room)


def people_in(room: str) -> list[str]:
    return sorted((s.data["nickname"] for s in io.in_(room).fetch_sockets()), key=str.casefold)


def publish_people(room: str) -> None:
    """Send the room its members, and all clients the size of every room."""
    io.to(room).emit("people", people_in(room))
    io.emit("rooms", [{"name": name, "online": len(people_in(name))} for name in rooms])


def project_address() -> str | None:
    """Where the installed package says that its documentation is, if it does."""
    try:
        addresses = metadata.metadata("flask_realtime").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:  # run from the folder of the repository
        return None
    return dict(line.split(", ", 1) for line in addresses).get("Documentation")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=int(os.environ.get("PORT", "5000")))
    given = options.parse_args()
    io.run(app, host=given.host, port=given.port)

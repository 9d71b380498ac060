"""A chat with rooms: Flask serves the page, Socket.IO carries the messages.

Start it with `python app.py --port 5000` or `gunicorn -k gevent app:app`.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()  # blocking calls in handlers let other handlers run

import argparse
import os
import time
from collections import deque

from flask import Flask, render_template

from flask_realtime import ConnectError, Realtime, Socket

MAX_NAME, MAX_TEXT = 20, 1000  # characters
MAX_ROOMS, MAX_HISTORY = 30, 50  # rooms; messages kept in each
FIRST_ROOMS = ("#lobby", "#music", "#code")

Message = dict[str, object]

app = Flask(__name__)
io = Realtime(app, max_http_buffer_size=16_000)
rooms: dict[str, deque[Message]] = {room: deque(maxlen=MAX_HISTORY) for room in FIRST_ROOMS}


@app.get("/")
def index() -> str:
    return render_template("index.html", max_name=MAX_NAME, max_text=MAX_TEXT, room=FIRST_ROOMS[0])


@io.use
def claim_nickname(socket: Socket) -> None:
    """Admit a visitor under a nickname that is free; refuse one that is taken."""
    nickname = clean_name(socket.handshake.auth.get("nickname"))
    key = socket.handshake.auth.get("key")
    if len(nickname) < 2 or not key:
        raise ConnectError(f"A nickname has 2 to {MAX_NAME} characters.")
    for other in io.fetch_sockets():
        if other.data["nickname"].casefold() == nickname.casefold():
            if other.data["key"] != key:
                raise ConnectError(f"“{nickname}” is already taken. Please choose another.")
            other.disconnect(close=True)  # the same page, reconnected before the timeout
    socket.data.update(nickname=nickname, key=key)


@io.on("connection")
def connected(socket: Socket) -> None:
    nickname = socket.data["nickname"]

    @socket.on("join")
    def join(name: object) -> dict[str, object]:
        room = open_room(name)
        if room is None:
            return {"error": "That room cannot be opened. Please try another name."}
        leave_room(socket)
        socket.data["room"] = room
        socket.join(room)
        socket.to(room).emit("notice", f"{nickname} joined")
        publish_people(room)
        return {"nickname": nickname, "room": room, "history": list(rooms[room])}

    @socket.on("message")
    def message(text: object) -> dict[str, object]:
        room = socket.data.get("room")
        if room is None or not isinstance(text, str) or not 0 < len(text.strip()) <= MAX_TEXT:
            return {"error": "That message cannot be sent."}
        sent: Message = {"nickname": nickname, "text": text.strip(), "at": time.time()}
        rooms[room].append(sent)
        socket.to(room).emit("message", sent)
        return {"delivered": True}  # the acknowledgement

    @socket.on("typing")
    def typing(active: object) -> None:
        if room := socket.data.get("room"):
            socket.to(room).volatile.emit("typing", nickname, bool(active))

    @socket.on("disconnect")
    def disconnected(reason: str) -> None:
        leave_room(socket)


def clean_name(name: object) -> str:
    """Return an untrusted name on one line, or "" if it cannot be used."""
    tidy = " ".join(name.replace("#", " ").split()) if isinstance(name, str) else ""
    return tidy if tidy.isprintable() and len(tidy) <= MAX_NAME else ""


def open_room(name: object) -> str | None:
    """Find or create a room. The "#" distinguishes it from socket ids, which are rooms too."""
    room = "#" + clean_name(name).lower().replace(" ", "-")[:MAX_NAME]
    if room == "#":
        return None
    if room not in rooms and len(rooms) >= MAX_ROOMS:
        empty = [old for old in rooms if old not in FIRST_ROOMS and not people_in(old)]
        if not empty:
            return None
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


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=int(os.environ.get("PORT", "5000")))
    given = options.parse_args()
    io.run(app, host=given.host, port=given.port)

"""A Flask application for hosts that cannot serve its clients."""

from __future__ import annotations

from flask import Flask

from flask_realtime import Realtime

app = Flask(__name__)
io = Realtime(app, serve_client=False)


@app.get("/")
def page() -> str:
    return "page"

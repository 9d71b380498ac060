"""What the scenario server saw, for the tests to read.

Each record is printed as one line of JSON and kept for GET /log. The tag names
the test that caused it: clients send it as ``auth.tag`` or as ``?tag=``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs


class Journal:
    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, kind: str, tag: object, **fields: Any) -> None:
        record = {"kind": kind, "tag": tag, **fields}
        with self._lock:
            self._records.append(record)
            print("record", json.dumps(record, default=repr), flush=True)

    def find(self, **fields: str) -> list[dict[str, Any]]:
        return [
            record
            for record in self._records
            if all(record.get(name) == value for name, value in fields.items())
        ]


def tag_of_request(environ: Mapping[str, Any]) -> str | None:
    """The tag in the query string of a request."""
    found = parse_qs(environ.get("QUERY_STRING", "")).get("tag")
    return found[-1] if found else None


def tag_of_socket(socket: Any) -> Any:
    auth = socket.handshake.auth
    tag = auth.get("tag") if isinstance(auth, dict) else None
    return tag or socket.handshake.query.get("tag")

"""The states of sockets, as the servers of a cluster exchange them.

``socket.data`` and a client's ``auth`` may hold any value. What cannot be carried is left out,
so that one socket does not hide the others. No gevent here: emitters use it from any process.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ...codec.carried import JSON_TEXT, MSGPACK, Carrier, Fault, carried
from ...quoting import named, shown
from ..values import RemoteState
from .values import pack, strings, to_json

__all__ = ["carried_data", "remote_state_from", "state_maps"]

logger = logging.getLogger(__name__)

#: Levels of nesting that are kept: encoders have bounds of their own.
_DEPTH: Final = 200
#: Levels of nesting that the message around the states adds, and some to spare.
_ENVELOPE: Final = 8


def state_maps(states: Sequence[RemoteState], binary: bool) -> list[dict[str, Any]]:
    """Return the states as maps, without what cannot be carried.

    Args:
        states: The sockets.
        binary: Whether bytes can be carried.
    """
    maps = [state._asdict() for state in states]
    if _can_be_carried(maps, binary):
        return maps
    carrier = MSGPACK if binary else JSON_TEXT
    left_out: list[tuple[str, Fault, int]] = []
    for found in maps:
        if _can_be_carried(found, binary):
            continue
        for name in ("handshake", "data"):
            found[name], fault, count = carried(found[name], carrier, name, _DEPTH)
            if fault is not None:
                left_out.append((found["id"], fault, count))
    _log(left_out)
    return maps


def carried_data(sid: str, data: Any, carrier: Carrier = MSGPACK) -> Any:
    """Return the data of a socket without what cannot be carried."""
    found, fault, count = carried(data, carrier, "data", _DEPTH)
    if fault is not None:
        _log([(sid, fault, count)])
    return found


def _log(left_out: list[tuple[str, Fault, int]]) -> None:
    # One line for all sockets: it is repeated with each request for them.
    if left_out:
        sid, fault, _ = left_out[0]
        count = sum(item[2] for item in left_out) - 1
        logger.warning(
            "! %s of socket %s is not sent to other servers: %s%s",
            shown(fault.place),
            named(sid),
            shown(fault.error),
            shown(f"; {count} more such values" if count else ""),
        )


def _can_be_carried(value: Any, binary: bool) -> bool:
    for _ in range(_ENVELOPE):
        value = [value]
    try:
        if to_json(value) is not None:
            return True
        return binary and bool(pack(value))
    except (TypeError, ValueError):
        return False


def remote_state_from(value: Any) -> RemoteState:
    """Return the state of a socket from the map of another server.

    Raises:
        ValueError: It is malformed.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        raise ValueError("a socket must have an id")
    handshake, data, rooms = value.get("handshake"), value.get("data"), value.get("rooms")
    return RemoteState(
        value["id"],
        dict(handshake) if isinstance(handshake, Mapping) else {},
        [] if rooms is None else strings(rooms),
        dict(data) if isinstance(data, Mapping) else {},
    )

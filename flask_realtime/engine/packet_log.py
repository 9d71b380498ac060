"""A line in the log for each packet, of sessions that open while the log wants them.

The question is asked once, when a session opens: packets cost nothing while nobody reads them.
"""

from __future__ import annotations

import logging
from typing import Any

from ..codec.message import Message
from ..events import EventEmitter

__all__ = ["log_packets"]

logger = logging.getLogger("flask_realtime.packets")

#: Characters of a packet that are shown.
_SHOWN = 200


def log_packets(session_id: str, session: EventEmitter) -> None:
    """Log what goes through a new session, if its logger is on at DEBUG.

    Args:
        session_id: Its id, of which the beginning is shown.
        session: Triggers ``packet`` and ``packetCreate``.
    """
    if not logger.isEnabledFor(logging.DEBUG):
        return
    short = session_id[:6]
    session.on("packet", lambda packet: logger.debug("< %s %s", short, _shown(packet)))
    session.on("packetCreate", lambda message: _log_message(short, message))


def _log_message(short: str, message: Message) -> None:
    if message.text is not None:
        logger.debug("> %s %s", short, _shown("4" + message.text.decode()))
    for data in message.attachments:
        logger.debug("> %s %s", short, _shown(data))


def _shown(packet: Any) -> str:
    if not isinstance(packet, str):
        return f"{len(packet)} bytes"
    if len(packet) <= _SHOWN:
        return packet
    return f"{packet[:_SHOWN]}… ({len(packet)} characters)"

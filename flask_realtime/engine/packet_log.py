"""A line in the log for each packet, of sessions that open while the log wants them.

The logger is asked once, when a session opens: packets cost nothing while the log is off.
"""

from __future__ import annotations

import logging
from typing import Any

from ..codec.message import Message
from ..events import EventEmitter
from ..quoting import named, shown

__all__ = ["log_packets"]

logger = logging.getLogger("flask_realtime.packets")


def log_packets(session_id: str, session: EventEmitter) -> None:
    """Log what goes through a new session, if its logger is on at DEBUG.

    Args:
        session_id: Its id, of which the beginning is shown.
        session: Triggers ``packet`` and ``packetCreate``.
    """
    if not logger.isEnabledFor(logging.DEBUG):
        return
    short = named(session_id[:6])
    session.on("packet", lambda packet: _log("<", short, packet))
    session.on("packetCreate", lambda message: _log_message(short, message))


def _log_message(short: str, message: Message) -> None:
    if message.text is not None:
        _log(">", short, "4" + message.text.decode())
    for data in message.attachments:
        _log(">", short, data)


def _log(sign: str, short: str, packet: Any) -> None:
    text = packet if isinstance(packet, str) else f"{len(packet)} bytes"
    logger.debug("%s %s %s", sign, short, shown(text))

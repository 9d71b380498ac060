"""Engine.IO 4 packets: one character of type, then the data (Engine.IO protocol, "Packet").

A packet travels as text (``"4hello"``); a binary message has no type digit and is the only
packet that travels as bytes.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CLOSE", "OPEN", "PING", "PONG", "PROBE", "SEPARATOR", "UPGRADE"]

OPEN: Final = "0"
CLOSE: Final = "1"
PING: Final = "2"
PONG: Final = "3"
UPGRADE: Final = "5"

#: The data of the ping and the pong that probe a WebSocket before the upgrade.
PROBE: Final = "probe"
#: Stands between the packets of a polling payload.
SEPARATOR: Final = "\x1e"

"""From polling to WebSocket without losing, repeating or reordering a packet.

The probe owns a new WebSocket until the client sends ``5``: nothing but ``3probe`` is written
to it before that, and polling goes on meanwhile. Whatever goes wrong, the WebSocket is closed
and the session stays where it is (Engine.IO protocol, "Upgrade").
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..codec.engine_packet import PROBE, UPGRADE
from .session import Session
from .state import SessionState, UpgradeState
from .transports.polling import PollingTransport
from .transports.transport import SocketTransport

__all__ = ["Probe"]

#: What the client sends first on a new WebSocket, and the answer.
PROBE_PING = "2" + PROBE
PROBE_PONG = "3" + PROBE

logger = logging.getLogger(__name__)


class Probe:
    """The first packets of a WebSocket that wants to become a session's transport.

    Args:
        session: The session, on polling.
        transport: The new WebSocket.
        on_end: Called once, when the upgrade is done or given up.
    """

    def __init__(
        self, session: Session, transport: SocketTransport, on_end: Callable[[Probe], None]
    ) -> None:
        self.session = session
        self.transport = transport
        self._on_end = on_end
        session.enter_upgrade(UpgradeState.PROBING)

    def receive(self, packet: str | bytes) -> None:
        """Take a packet of the WebSocket: the probe, then the upgrade, and nothing else."""
        session = self.session
        state = session.upgrade_state
        if state is UpgradeState.PROBING and packet == PROBE_PING:
            session.enter_upgrade(UpgradeState.PROBED)
            self.transport.send_control(PROBE_PONG)
            if isinstance(session.transport, PollingTransport):
                # The client waits for its GET before it goes on: let it have that now.
                session.transport.answer_noop()
            session.trigger("upgrading", self.transport)
        elif state is UpgradeState.PROBED and packet == UPGRADE:
            self._complete()
        else:
            self.give_up("the client broke the order of the upgrade")

    def _complete(self) -> None:
        if self.session.state is not SessionState.OPEN:
            self.give_up("the session is over")
            return
        self._on_end(self)
        self.session.complete_upgrade(self.transport)

    def give_up(self, why: str) -> None:
        """Close the WebSocket; the session stays on polling."""
        logger.debug("! upgrade of %s failed: %s", self.session.id[:6], why)
        self._leave()
        self.transport.close()
        self.transport.abort()

    def lost(self, reason: str, description: object = None) -> None:
        """The WebSocket is gone before it became the transport."""
        logger.debug("! upgrade of %s failed: %s", self.session.id[:6], reason)
        self._leave()

    def _leave(self) -> None:
        if self.session.upgrade_state in (UpgradeState.PROBING, UpgradeState.PROBED):
            self.session.enter_upgrade(UpgradeState.NONE)
        self._on_end(self)

    def drained(self) -> None:
        """Nothing follows from it."""

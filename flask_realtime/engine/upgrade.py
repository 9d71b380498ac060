"""From polling to WebSocket without losing, repeating or reordering a packet.

The client does this (Engine.IO protocol, "Upgrade"): it opens a WebSocket beside its polling,
sends ``2probe``, waits for ``3probe``, lets its pending GET end, and sends ``5``; from then on it
reads and writes the WebSocket alone. The states are those of the session::

    NONE ──open──> PROBING ──2probe──> PROBED ──5──> DONE
     ^                │                   │
     └── give up, lost, deadline, close ──┘

In PROBING and PROBED two connections are open, and four greenlets may be at work: the request
of the WebSocket (it waits in ``WebSocketRequests.upgrade``), a GET, a POST, and the handlers.
The probe owns the WebSocket; the session owns the polling transport. Only these three write to
the WebSocket before DONE: ``3probe`` after ``2probe``, a pong of its own protocol, and a close.

- Nothing is lost or repeated: what the server sends goes to the polling transport until
  :meth:`Session.complete_upgrade`, which in one turn of the hub makes the WebSocket the
  transport and moves to it what no GET has taken. A GET that is under way then gets a noop, and
  one that has taken packets has been answered: the client sends ``5`` after its last GET.
- Nothing is reordered: a client's POST ends before it sends ``5``, and the reader of a WebSocket
  has a higher priority in the loop than a request, so that ``5`` is read before a GET or POST
  which became ready in the same round (``transports/websocket.py``, ``_PRIORITY``).
- A client waits for its GET before it sends ``5``: the GET that is under way gets a noop with
  ``3probe``, and one that follows does not wait long (``polls.py``, ``_UPGRADE_POLL``).
- A second WebSocket for the session is closed at once: there is one probe, in ``NONE`` only.
- Whatever goes wrong before ``5`` closes the WebSocket and leaves the session on polling. That
  includes the end of the request, when the host kills its greenlet.
- A session that the server closes meanwhile says goodbye when the upgrade has ended, on the
  transport that it has then: the client has stopped polling, or is about to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..codec.engine_packet import PROBE, UPGRADE
from ..errors import is_over_limit
from ..quoting import named, shown
from .session import Session
from .state import UpgradeState
from .transports.polling import PollingTransport
from .transports.transport import SocketTransport

__all__ = ["Probe"]

#: What the client sends first on a new WebSocket, and the answer.
PROBE_PING = "2" + PROBE
PROBE_PONG = "3" + PROBE

logger = logging.getLogger(__name__)


class Probe:
    """The first packets of a WebSocket that may become a session's transport.

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
        session.begin_upgrade(self)

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
            self._on_end(self)
            session.complete_upgrade(self.transport)
        else:
            self.give_up("the client broke the order of the upgrade")

    def give_up(self, why: str) -> None:
        """Close the WebSocket; the session stays on polling."""
        self._leave(why, logging.DEBUG)
        self.transport.close()
        self.transport.abort()

    def lost(self, reason: str, description: object = None) -> None:
        """Give up: the WebSocket is gone before it became the transport."""
        level = logging.WARNING if is_over_limit(description) else logging.DEBUG
        self._leave(f"{reason} ({description})" if description else reason, level)

    def _leave(self, why: str, level: int) -> None:
        self._on_end(self)
        if self.session.leave_upgrade(self) or level > logging.DEBUG:
            logger.log(level, "! upgrade of %s failed: %s", named(self.session.id[:6]), shown(why))

    def drained(self) -> None:
        """Do nothing: the probe has no more to send."""

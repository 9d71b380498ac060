"""Connection state recovery of one namespace (Socket.IO documentation, same title).

How a client gets its socket back
=================================

1. With CONNECT the client is told its public id and a *private id* (``pid``), which only it
   knows. Each event that is kept for it carries an *offset* as its last argument; the client
   remembers the newest. Until the first one it counts from the offset at which it joined,
   :attr:`SocketCore.known_offset`.
2. When the socket ends for one of the reasons in ``RECOVERABLE``, its ids, rooms and data are
   saved with the adapter, before it leaves its rooms. An end that was meant, by either side,
   saves nothing.
3. The client connects again, on a new session, with ``{"pid": …, "offset": …}`` in its CONNECT.
   :meth:`Recovery.find` takes the saved state out: it is given once.
4. :meth:`Recovery.missed` returns what was sent to its rooms after the offset. The socket is
   readmitted to its rooms and the client gets what it missed, then CONNECT, then what is new,
   with no gap and nothing twice: no greenlet may run between reading the log and joining the
   rooms.

Where it can go wrong
---------------------

* The client may be back before the server has noticed the end of the old connection; a network
  that changes takes ``ping_timeout`` to be noticed. The private id proves that it is the same
  client, so the old session is closed and its last handlers are waited for, up to 5 s.
* The log may have dropped packets after the offset, or they are more than the client may be
  sent at once. Then the client joins as a new one; half of what it missed is never sent.
* The storage may be out of reach: a line in the log, and the client joins as a new one.
* The client may leave while middlewares or the storage block: its state is saved once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gevent.event import Event

from ..adapters.base import Adapter
from ..adapters.values import SavedSocket
from ..codec.message import Message
from ..engine.ids import new_id
from ..engine.session import Session
from ..options import RecoveryOptions
from ..quoting import named, shown
from ..reasons import Reason

if TYPE_CHECKING:
    from .socket_core import SocketCore

__all__ = ["RECOVERABLE", "Recovery"]

logger = logging.getLogger(__name__)

#: The ends that neither side has asked for.
RECOVERABLE = frozenset(
    {
        Reason.TRANSPORT_ERROR,
        Reason.TRANSPORT_CLOSE,
        Reason.FORCED_CLOSE,
        Reason.PING_TIMEOUT,
        Reason.SERVER_SHUTTING_DOWN,
        Reason.FORCED_SERVER_CLOSE,
    }
)
#: Seconds for the ``disconnecting`` handlers of a connection that its client has replaced.
_TAKE_OVER = 5.0


class Recovery:
    """Keeps and restores the sockets of a namespace.

    Args:
        adapter: Where their state and the packets are kept.
        options: See :class:`~flask_realtime.options.RecoveryOptions`.
        max_replay: Bytes that a client can be sent at once.
        keep_clean: Called when there is something to drop later.
    """

    def __init__(
        self,
        adapter: Adapter,
        options: RecoveryOptions,
        max_replay: int,
        keep_clean: Callable[[Recovery], None],
    ) -> None:
        self.skip_middlewares: bool = options.skip_middlewares
        self._adapter = adapter
        self._max_replay = max_replay
        self._keep_clean = keep_clean
        # Present sockets, for clients that come back before their end was noticed.
        self._present: dict[str, SocketCore] = {}
        self._awaited: dict[str, Event] = {}

    def new_identity(self) -> tuple[str, str]:
        """Return a private id, and the offset at which a client that joins now begins."""
        return new_id(), self._adapter.current_offset()

    def joined(self, socket: SocketCore) -> None:
        """Note a socket that has been let in."""
        self._present[socket.pid] = socket
        self._keep_clean(self)

    def left(self, socket: SocketCore, reason: str) -> None:
        """Save the state of a socket that ends; it is still in its rooms."""
        self._present.pop(socket.pid, None)
        if reason in RECOVERABLE:
            rooms, data = frozenset(socket.rooms()), socket.socket.data
            self.keep(SavedSocket(socket.pid, socket.id, rooms, data, socket.known_offset))
        awaited = self._awaited.pop(socket.pid, None)
        if awaited is not None:
            awaited.set()

    def keep(self, saved: SavedSocket) -> None:
        """Save the state of a socket; a failure is logged, and the state is lost."""
        try:
            self._adapter.persist_session(saved)
        except Exception:
            logger.exception("! the state of %s could not be kept", named(saved.sid))
        self._keep_clean(self)

    def find(self, auth: Any, conn: Session) -> SavedSocket | None:
        """Return the saved state that a CONNECT asks for, if there is one; may block.

        Args:
            auth: The payload of the packet.
            conn: The session on which it came.
        """
        if not isinstance(auth, Mapping):
            return None
        pid, offset = auth.get("pid"), auth.get("offset")
        if not isinstance(pid, str) or not isinstance(offset, (str, type(None))):
            return None
        self.take_over(pid, conn)
        try:
            return self._adapter.restore_session(pid, offset)
        except OSError as error:
            # The storage is out of reach: not a defect, and many clients see it at once.
            logger.warning("! a state could not be restored: %s", shown(error))
        except Exception:
            logger.exception("! a state could not be restored")
        return None

    def take_over(self, pid: str, conn: Session | None) -> None:
        """End the connection that a client has left for ``conn``; may block.

        Args:
            pid: The private id of the client.
            conn: Its new connection; ``None`` when that is another server's.
        """
        # On the same session the client has left the namespace by itself, and `disconnecting`
        # handlers are at work: they are not waited for.
        present = self._present.get(pid)
        if present is not None and present.conn is not conn:
            awaited = self._awaited.setdefault(pid, Event())
            present.conn.close(Reason.TRANSPORT_CLOSE, flush=False)
            awaited.wait(_TAKE_OVER)
            self._awaited.pop(pid, None)

    def missed(self, saved: SavedSocket) -> list[Message] | None:
        """Return what the client has missed; may block.

        Returns:
            ``None`` when it is not kept any more, or is too large.
        """
        try:
            missed = self._adapter.missed_packets(saved)
        except OSError as error:
            sid = named(saved.sid)
            logger.warning("! what %s has missed could not be read: %s", sid, shown(error))
            return None
        except Exception:
            logger.exception("! what %s has missed could not be read", named(saved.sid))
            return None
        # A client that is sent more is disconnected, and would come back for the same again.
        return missed if sum(map(_size, missed or ())) <= self._max_replay else None

    def sweep(self) -> None:
        """Drop what is too old; called again as long as anything is left."""
        if self._adapter.prune() or self._present:
            self._keep_clean(self)


def _size(message: Message) -> int:
    # As polling would send it, whose attachments are in base64.
    return len(message.text or b"") + sum(len(data) * 4 // 3 for data in message.attachments)

"""Connection state recovery of one namespace: who may come back, and as whom.

A socket that ends by accident leaves its state with the adapter. Its client asks for it with
the private id of its CONNECT, once (Socket.IO documentation, "Connection state recovery").
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gevent.event import Event

from ..adapters.base import Adapter
from ..adapters.memory_log import SavedSession
from ..codec.message import Message
from ..engine.session import Session
from ..options import RecoveryOptions
from ..reasons import Reason

__all__ = ["RECOVERABLE", "Recovery", "RecoverableSocket"]

logger = logging.getLogger(__name__)

#: The ends that nobody meant.
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


class RecoverableSocket(Protocol):
    """A socket, as its recovery sees it."""

    @property
    def id(self) -> str:
        """The public id."""

    @property
    def pid(self) -> str:
        """The private id."""

    @property
    def known_offset(self) -> str:
        """Where the log ended when the client joined, or what it last said it has reached."""

    @property
    def rooms(self) -> set[str]:
        """Its rooms."""

    @property
    def data(self) -> dict[str, Any]:
        """What the application keeps."""

    @property
    def conn(self) -> Session:
        """The Engine.IO session."""


class Recovery:
    """Keeps and restores the sockets of a namespace.

    Args:
        adapter: Where their state and the packets are kept.
        options: See :class:`~flask_realtime.options.RecoveryOptions`.
        max_replay: Bytes that a client can be sent at once.
        keep_clean: Called when there is something to forget later.
    """

    def __init__(
        self,
        adapter: Adapter,
        options: RecoveryOptions,
        max_replay: int,
        keep_clean: Callable[[Recovery], None],
    ) -> None:
        self.skip_middlewares = options.skip_middlewares
        self._adapter = adapter
        self._max_replay = max_replay
        self._keep_clean = keep_clean
        # Sockets that are here, for clients that come back before their end was noticed.
        self._present: dict[str, RecoverableSocket] = {}
        self._awaited: dict[str, Event] = {}

    def new_identity(self) -> tuple[str, str]:
        """Return a private id, and the offset at which a client that joins now begins."""
        return secrets.token_urlsafe(15), self._adapter.current_offset()

    def joined(self, socket: RecoverableSocket) -> None:
        """A socket is here."""
        self._present[socket.pid] = socket
        self._keep_clean(self)

    def left(self, socket: RecoverableSocket, reason: str) -> None:
        """A socket goes; its rooms are still there."""
        self._present.pop(socket.pid, None)
        if reason in RECOVERABLE:
            rooms = frozenset(socket.rooms)
            self.keep(SavedSession(socket.pid, socket.id, rooms, socket.data, socket.known_offset))
        awaited = self._awaited.pop(socket.pid, None)
        if awaited is not None:
            awaited.set()

    def keep(self, session: SavedSession) -> None:
        """Keep the state of a socket; what cannot be kept is lost, with a word in the log."""
        try:
            self._adapter.persist_session(session)
        except Exception:
            logger.exception("! the state of %s could not be kept", session.sid)
        self._keep_clean(self)

    def find(self, auth: Any, conn: Session) -> SavedSession | None:
        """Return the state that a CONNECT asks for, if there is such a state; may block.

        Args:
            auth: What the client has sent.
            conn: On which connection.
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
            # Whatever keeps them is out of reach: no defect, and true for many clients.
            logger.warning("! a state could not be restored: %s", error)
        except Exception:
            logger.exception("! a state could not be restored")
        return None

    def take_over(self, pid: str, conn: Session | None) -> None:
        """End the connection that a client has left for ``conn``; may block.

        Args:
            pid: The private id of the client.
            conn: Its new connection; ``None`` when that is another server's.
        """
        # Only its client knows the private id: who comes back with it has left the connection
        # that is still open here, whose end nobody has noticed yet. On the same connection it
        # has left the namespace, and `disconnecting` handlers are at work.
        present = self._present.get(pid)
        if present is not None and present.conn is not conn:
            awaited = self._awaited.setdefault(pid, Event())
            present.conn.close(Reason.TRANSPORT_CLOSE, flush=False)
            awaited.wait(_TAKE_OVER)
            self._awaited.pop(pid, None)

    def missed(self, session: SavedSession) -> list[Message] | None:
        """Return what the client has missed; may block.

        Returns:
            ``None`` when that is not known any more.
        """
        try:
            missed = self._adapter.missed_packets(session)
        except OSError as error:
            logger.warning("! what %s has missed could not be read: %s", session.sid, error)
            return None
        except Exception:
            logger.exception("! what %s has missed could not be read", session.sid)
            return None
        # More than it may be sent would cost it the new connection as well, again and again.
        return missed if sum(map(_size, missed or ())) <= self._max_replay else None

    def sweep(self) -> None:
        """Forget what is too old; go on as long as there is something."""
        if self._adapter.prune() or self._present:
            self._keep_clean(self)


def _size(message: Message) -> int:
    # As polling would send it, whose attachments are in base64.
    return len(message.text or b"") + sum(len(data) * 4 // 3 for data in message.attachments)

"""An Engine.IO session: one client, whichever transport carries it.

The session routes packets between its transport and its receiver, and is the only place
where either hears of the end. It is what applications see as ``socket.conn``.

The end is ``OPEN -> CLOSING -> CLOSED``, or ``OPEN -> CLOSED``, by :meth:`Session.close` alone.
Three callers race for it: the server (``flush``: what is buffered is delivered first), the
transport (:meth:`Session.lost`, a close packet) and a deadline (heartbeat, goodbye). The first
decides the reason; a later one only ends a session that is still CLOSING. The state moves before
anything else is called, so whatever is called may call ``close`` again.

- CLOSING: sends are dropped, packets too, but a close packet. The transport, or the upgrade that
  is under way, has the goodbye; the heartbeat has made way for the deadline of the goodbye.
- CLOSED: the engine has forgotten the session, the probe is given up, the socket given back.
- The receiver hears of the end once, when OPEN is left. Its handlers of ``disconnect`` queue in
  the inbox behind the events that came before, so that no event is lost and none comes after.
- The inbox is closed last: that lets the greenlet of a WebSocket's request go once the queue is
  empty, and the host closes the socket.
- Nothing may switch greenlets while the state moves and the transport ends, or another caller
  would find half of it done: ``no_switch()``. Receivers and listeners come after that.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..codec.engine_packet import CLOSE, PING, PONG
from ..codec.message import Message
from ..codec.payload import decode_base64
from ..errors import PacketError, is_over_limit
from ..events import EventEmitter
from ..loop.inbox import Inbox
from ..loop.no_switch import no_switch
from ..quoting import named, shown
from ..reasons import Reason
from ..transitions import check_move
from .receiver import NoReceiver, Receiver
from .requests.trimmed import TrimmedEnviron, shed_headers, trimmed
from .state import SESSION_MOVES, UPGRADE_MOVES, SessionState, UpgradeState
from .transports.polling import PollingTransport
from .transports.transport import SocketTransport, Transport

if TYPE_CHECKING:
    from .sessions import Sessions
    from .upgrade import Probe

__all__ = ["Receiver", "Session"]

# A global is quicker than a member of an enumeration (Python 3.11).
_OPEN, _CLOSED = SessionState.OPEN, SessionState.CLOSED
# The client's part of the heartbeat, by protocol: its pong, or its ping.
_HEARTBEATS = {4: PONG, 3: PING}
# The receivers of sessions that no layer above has taken, and of those that are over.
_UNTAKEN, _ENDED = NoReceiver(), NoReceiver()

logger = logging.getLogger(__name__)


class Session(EventEmitter):
    """One Engine.IO connection (Engine.IO protocol, "Session").

    Events: ``packet(packet)``, ``message(data)`` and ``data(data)``, which are the same,
    ``packetCreate(message)``, ``flush(messages)``, ``drain()``, ``heartbeat()``,
    ``upgrading(transport)``, ``upgrade(transport)`` and ``close(reason, description)``; their
    listeners run in the hub and must not block.

    Attributes:
        id: The session id, known to this client alone.
        remote_address: The address of the TCP peer.
        transport: What carries the session; ``transport.name`` is its name.
        protocol: The revision of the Engine.IO protocol, 4 or 3.
    """

    # Of an upgrade that is under way. Most sessions have neither, and pay nothing for them.
    _upgrade: Probe | None = None
    _close_code: int | None = None

    def __init__(
        self,
        sid: str,
        owner: Sessions,
        environ: Mapping[str, Any],
        inbox_limit: int,
        protocol: int = 4,
    ) -> None:
        super().__init__()
        self.id = sid
        self.protocol = protocol
        #: The WSGI environ of the first request, or what is left of it.
        self.environ: Mapping[str, Any] = environ
        self.remote_address: str = environ.get("REMOTE_ADDR", "")
        self.state: SessionState = SessionState.OPEN
        self.upgrade_state: UpgradeState = UpgradeState.NONE
        self.inbox: Inbox = Inbox(inbox_limit, self._pause, self._resume, owner.pool)
        self.transport: Transport
        #: Whether reading is paused because handlers are behind.
        self.is_paused: bool = False
        self._owner = owner
        self._traffic = owner.traffic
        self._receiver: Receiver = _UNTAKEN
        # What was sent while there was a listener and has not left yet.
        self._unflushed: list[Message] | None = None

    def attach(self, transport: Transport) -> None:
        """Give the session its first transport; once, when the session is made."""
        self.transport = transport

    @property
    def is_taken(self) -> bool:
        """Whether a layer above takes the messages."""
        return self._receiver is not _UNTAKEN

    def hand_to(self, receiver: Receiver) -> None:
        """Give the messages from now on to a layer above, unless :attr:`is_taken`."""
        self._receiver = receiver

    # What applications use

    @property
    def request(self) -> Mapping[str, Any]:
        """The WSGI environ of the first request.

        Raises:
            RuntimeError: :meth:`forget_request` has let go of it.
        """
        if not self.has_request:
            raise RuntimeError("forget_request() has let go of the request of this connection")
        return self.environ

    @property
    def has_request(self) -> bool:
        """Whether the first request is still there; see :meth:`forget_request`."""
        return not isinstance(self.environ, TrimmedEnviron)

    def forget_request(self) -> None:
        """Let go of the first request, to save memory; nothing brings it back.

        Its headers are gone at once, from ``socket.handshake`` as well. From the next event on,
        handlers run without Flask's ``request`` and ``session``.
        """
        if self.has_request:
            environ, self.environ = self.environ, trimmed(self.environ)
            if self.transport_name == "websocket" and not self.upgraded:
                shed_headers(environ)
            self._receiver.on_forget()

    @property
    def writable(self) -> bool:
        """Whether a packet would leave at once."""
        return self.state is SessionState.OPEN and self.transport.writable

    @property
    def buffered_bytes(self) -> int:
        """How many bytes wait for the client."""
        return self.transport.buffered_bytes

    @property
    def transport_name(self) -> str:
        """``"polling"`` or ``"websocket"``."""
        return self.transport.name

    @property
    def upgraded(self) -> bool:
        """Whether the session has moved from polling to WebSocket."""
        return self.upgrade_state is UpgradeState.DONE

    @property
    def upgrading(self) -> bool:
        """Whether a WebSocket that may become the transport is open."""
        return self.upgrade_state in (UpgradeState.PROBING, UpgradeState.PROBED)

    @property
    def ready_state(self) -> str:
        """``"open"``, ``"closing"`` or ``"closed"``."""
        return self.state.name.lower()

    def send(self, data: str | bytes, *, compress: bool = True) -> None:
        """Send an Engine.IO message of text or bytes; never blocks.

        A session that is over drops it. A client of Socket.IO takes it for a packet.

        Args:
            data: The message.
            compress: Whether it may be compressed.

        Raises:
            TypeError: It is neither text nor bytes.
        """
        self.send_message(Message.of(data, bool(compress)))

    write = send

    def send_message(self, message: Message) -> None:
        """Send an encoded message; never blocks. A session that is over drops it."""
        if self.state is _OPEN:
            if self._listeners:
                self._send_observed(message)
            else:
                self._traffic.messages_out += 1
                self.transport.send(message)

    def _send_observed(self, message: Message) -> None:
        self.trigger("packetCreate", message)
        transport = self.transport
        waited = transport.buffered_bytes
        self._traffic.messages_out += 1
        transport.send(message)
        if transport.buffered_bytes > waited:
            if self._unflushed is None:
                self._unflushed = []
            self._unflushed.append(message)
        elif waited == 0 and transport.writable:
            self.trigger("flush", [message])
            self.trigger("drain")

    def close(
        self,
        reason: str = Reason.FORCED_CLOSE,
        description: object = None,
        *,
        flush: bool = True,
        code: int | None = None,
    ) -> None:
        """End the session: the only way one ends. Calling it again is harmless.

        Args:
            reason: What ``disconnect`` handlers are told.
            description: The cause, when there is more to say.
            flush: Whether what is buffered is delivered first, behind an upgrade that is under
                way: its client has stopped polling.
            code: The status of the WebSocket close frame.
        """
        was_open = self.state is _OPEN
        if self.state is _CLOSED or (flush and not was_open):
            return
        with no_switch():
            self._leave(flush, code)
        if was_open:
            level = logging.WARNING if is_over_limit(description) else logging.INFO
            if logger.isEnabledFor(level):
                why = f"{reason} ({description})" if description else reason
                logger.log(level, "- session %s closed: %s", named(self.id[:6]), shown(why))
            # Without a circle of references, which would wait for the collector of garbage.
            receiver, self._receiver = self._receiver, _ENDED if self.is_taken else _UNTAKEN
            receiver.on_close(reason, description)
            self.trigger("close", reason, description)
        if self.state is _CLOSED:
            self.inbox.close()

    def _leave(self, flush: bool, code: int | None) -> None:
        if flush:
            self._enter(SessionState.CLOSING)
            self._owner.closing(self)
            if self._upgrade is None:
                self.transport.close(code)
            else:
                self._close_code = code
        else:
            self._enter(SessionState.CLOSED)
            self._owner.closed(self)
            if self._upgrade is not None:
                self._upgrade.give_up("the session is over")
            self.transport.abort()

    # What transports report

    def receive(self, packet: str | bytes) -> None:
        """Take one packet of the transport."""
        if self.state is not _OPEN:
            if packet == CLOSE:
                # The client closes what the server is closing.
                self.close(flush=False)
            return
        if self._listeners:
            self._show(packet)
        if packet[:1] == "4":
            self._traffic.messages_in += 1
            self._receiver.on_message(packet[1:])
        elif isinstance(packet, str):
            self._receive_control(packet)
        else:
            self._traffic.messages_in += 1
            self._receiver.on_message(packet)

    def _show(self, packet: str | bytes) -> None:
        self.trigger("packet", packet)
        if isinstance(packet, bytes):
            self._show_message(packet)
        elif packet[:1] == "4":
            self._show_message(packet[1:])

    def _show_message(self, data: str | bytes) -> None:
        self.trigger("data", data)
        self.trigger("message", data)

    def _receive_control(self, packet: str) -> None:
        kind = packet[:1]
        if kind == _HEARTBEATS[self.protocol]:
            self._owner.beat(self)
            if self._listeners:
                self.trigger("heartbeat")
        elif kind == "1":
            if isinstance(self.transport, PollingTransport):
                self.transport.answer_noop()
            self.close(Reason.TRANSPORT_CLOSE, flush=False)
        elif kind in ("2", "3"):
            self.close(Reason.TRANSPORT_ERROR, "invalid heartbeat direction", flush=False)
        elif kind == "b":
            self._receive_base64(packet)
        elif kind not in ("0", "5", "6"):
            self.close(Reason.PARSE_ERROR, PacketError("unknown packet type"), flush=False)

    def _receive_base64(self, packet: str) -> None:
        try:
            data = decode_base64(packet)
        except PacketError as error:
            self.close(Reason.PARSE_ERROR, error, flush=False)
            return
        if self._listeners:
            self._show_message(data)
        self._traffic.messages_in += 1
        self._receiver.on_message(data)

    def count_as_part(self) -> None:
        """Take back the count of the last message: it is a part of one that counts as a whole."""
        self._traffic.messages_in -= 1

    def lost(self, reason: str, description: object = None) -> None:
        """End the session: its transport is gone."""
        self.close(reason, description, flush=False)

    def drained(self) -> None:
        """Tell listeners that everything that was sent has left."""
        unflushed, self._unflushed = self._unflushed, None
        if self._listeners:
            if unflushed:
                self.trigger("flush", unflushed)
            self.trigger("drain")

    # The upgrade (Engine.IO protocol, "Upgrade")

    def begin_upgrade(self, upgrade: Probe) -> None:
        """Note that a WebSocket is open that may become the transport."""
        self.enter_upgrade(UpgradeState.PROBING)
        self._upgrade = upgrade

    def enter_upgrade(self, state: UpgradeState) -> None:
        """Move to another state of the upgrade."""
        check_move(UPGRADE_MOVES, self.upgrade_state, state)
        logger.debug("= upgrade of %s is %s", named(self.id[:6]), state.name)
        self.upgrade_state = state

    def complete_upgrade(self, transport: SocketTransport) -> None:
        """Make a probed WebSocket the transport; what polling has not delivered follows on it."""
        self.enter_upgrade(UpgradeState.DONE)
        polling = self.transport
        assert isinstance(polling, PollingTransport)
        self.transport = transport
        transport.hand_over(self)
        for packet in polling.discard():
            transport.send_packet(packet)
        if self.is_paused:
            transport.pause()
        self.trigger("upgrade", transport)
        if self._unflushed and transport.writable:
            self.drained()
        self._end_upgrade()

    def leave_upgrade(self, upgrade: Probe) -> bool:
        """Stay on polling: the WebSocket is gone. Return whether the upgrade was under way."""
        if self._upgrade is not upgrade:
            return False
        self.enter_upgrade(UpgradeState.NONE)
        self._end_upgrade()
        return True

    def _end_upgrade(self) -> None:
        self._upgrade = None
        if self.state is SessionState.CLOSING:
            self.transport.close(self._close_code)

    def _pause(self) -> None:
        self.is_paused = True
        self.transport.pause()

    def _resume(self) -> None:
        if self.is_paused:
            self.is_paused = False
            self.transport.resume()

    def _enter(self, state: SessionState) -> None:
        check_move(SESSION_MOVES, self.state, state)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("= session %s is %s", named(self.id[:6]), state.name)
        self.state = state

    def __repr__(self) -> str:
        return f"<Session {self.id[:6]}… {self.transport.name} {self.ready_state}>"

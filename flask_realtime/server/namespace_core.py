"""What the server itself does with a namespace: letting clients in, encoding, acknowledgements.

Applications hold a :class:`~flask_realtime.server.namespace.Namespace`, often of a class of
their own. Sockets, adapters and operators hold the core of it, so that none of their methods is
in the way of an application's.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gevent

from ..adapters.base import Adapter
from ..adapters.values import RemoteState, SavedSocket, Target
from ..codec.message import Message
from ..codec.parser import Parser
from ..codec.socket_packet import Packet
from ..functions import require_function
from ..loop.hub import HubThread
from ..quoting import named
from .admission import deny, refusal_of
from .event_names import NOT_FOR_SERVERS
from .greeting import greet
from .handlers import HandlerTable, Runner
from .observer import Observer
from .recovery import Recovery
from .registrations import Registrations
from .remote_socket import RemoteSocket
from .server_side import call_listeners
from .socket import Socket
from .socket_core import SocketCore

if TYPE_CHECKING:
    from .client import Client
    from .namespace import Namespace
    from .server import BaseServer

__all__ = ["NamespaceCore", "SocketsById"]

logger = logging.getLogger(__name__)


class NamespaceCore:
    """A namespace of this server, as its sockets, its adapter and their clients see it.

    Args:
        name: Its name.
        face: What applications hold.

    Attributes:
        name: Its name.
        face: What applications hold.
        server: The server, once the namespace is registered there; so are the next seven.
        parser: Encodes packets.
        max_message_size: Bytes that a message to clients may have.
        hub: The thread that owns the sockets.
        runner: Calls functions of the application.
        observers: Those of the runner; the list itself, which is looked at for each emit.
        adapter: Keeps rooms and carries broadcasts.
        recovery: Keeps the sockets of clients that may come back; ``None`` when that is off.
        registrations: What the application has registered.
        handlers: Those of events of all sockets.
        sockets: The sockets of this server by id.
        concurrent: Whether handlers that do not say otherwise have greenlets of their own.
        admits_early: Whether sockets are in the namespace before middlewares are asked, so that
            what these emit reaches them; for modules with the names of other packages.
        warned_of: Events that clients sent, and that have listeners for other servers only.
    """

    server: BaseServer | None
    parser: Parser
    max_message_size: int
    hub: HubThread
    runner: Runner
    observers: Sequence[Observer]
    adapter: Adapter
    recovery: Recovery | None

    def __init__(self, name: str, face: Namespace) -> None:
        self.name = name
        self.face = face
        self.server = None
        self.registrations: Registrations = Registrations()
        self.handlers: HandlerTable = self.registrations.handlers
        self.sockets: dict[str, SocketCore] = {}
        self.concurrent: bool = False
        self.admits_early = False
        self.warned_of: tuple[str, ...] = ()
        self._ack_ids = itertools.count()

    def bind(self, server: BaseServer) -> None:
        """Put the namespace to work on a server; called once.

        Raises:
            RuntimeError: It works on a server already.
        """
        if self.server is not None:
            raise RuntimeError(f"the namespace {self.name!r} is registered already")
        self.server = server
        self.parser = server.parser
        self.max_message_size = server.max_message_size
        self.hub = server.hub
        self.runner = server.runner
        self.observers = server.runner.observers
        self.adapter = self._make_adapter(server)
        self.recovery = self._make_recovery(server)
        self.use_default(server.options.concurrent)

    def use_default(self, concurrent: bool) -> None:
        """Set :attr:`concurrent`."""
        self.concurrent = concurrent
        self.handlers.has_apart = self.handlers.has_apart or concurrent

    def _make_adapter(self, server: BaseServer) -> Adapter:
        return server.backends.adapter_of(self)

    def _make_recovery(self, server: BaseServer) -> Recovery | None:
        return server.backends.recovery_of(self.adapter)

    @property
    def is_used(self) -> bool:
        """Whether the application has registered anything here, or a client is in it."""
        return bool(self.registrations or self.sockets)

    # Sending

    def message_of(self, packet: Packet, compress: bool = True) -> Message:
        """Return a packet as a message to clients.

        Raises:
            MessageTooLarge: It is above ``max_buffered_bytes``.
            TypeError, ValueError: The data holds something that cannot be encoded.
        """
        message = self.parser.encode(packet, compress)
        text = message.text
        if text is None or message.attachments or len(text) > self.max_message_size:
            message.check_size(self.max_message_size)
        return message

    def observe_emit(self, data: Sequence[Any], target: Target) -> None:
        """Tell the observers of an event that is sent; only called when there are any."""
        self.runner.observe("emitted", self.face, target, data[0], data[1:])

    def next_ack_id(self) -> int:
        """Return a new acknowledgement id."""
        return next(self._ack_ids)

    def callback(
        self, function: Callable[..., Any], socket: Socket | None = None
    ) -> Callable[..., None]:
        """Return a function that calls ``function`` in a greenlet of its own.

        Args:
            function: The callback of an acknowledgement.
            socket: The socket in whose context it is called; a broadcast has none.

        Raises:
            TypeError: It cannot be called, or it is a coroutine function.
        """
        require_function(function, "an acknowledgement callback")
        event = "acknowledgement"

        def run(*args: Any) -> None:
            call = (self.runner.call, socket, event, function, *args)
            if socket is None:
                gevent.spawn(self.runner.apart, event, *call)
            else:
                gevent.spawn(self.runner.within, socket, event, *call)

        return run

    def sockets_of(self, found: Iterable[SocketCore | RemoteState]) -> list[Socket | RemoteSocket]:
        """Return what an adapter has fetched as applications see it."""
        return [
            RemoteSocket(self, item) if isinstance(item, RemoteState) else item.socket
            for item in found
        ]

    # Letting clients in

    def admit(self, client: Client, auth: Any) -> None:
        """Ask the middlewares, then let the client in or refuse it; may block."""
        # Clients of the previous protocol have no private id to come back with.
        recovery = self.recovery if client.dialect.can_return else None
        saved = None if recovery is None else recovery.find(auth, client.conn)
        if recovery is None or saved is None:
            self._admit_new(client, auth, recovery)
        else:
            self._admit_again(client, auth, recovery, saved)

    def _admit_new(self, client: Client, auth: Any, recovery: Recovery | None) -> None:
        sid = client.dialect.socket_id(client.conn.id, self.name, self.sockets)
        core = SocketCore(sid, self, client, auth)
        if self.registrations.middlewares and not self._is_welcome(core):
            return
        if not client.is_open:
            # The client disconnected while middlewares ran: it was never connected here.
            core.turn_away()
            return
        if recovery is not None:
            core.pid, core.known_offset = recovery.new_identity()
        self._let_in(core)

    def _admit_again(
        self, client: Client, auth: Any, recovery: Recovery, saved: SavedSocket
    ) -> None:
        core = SocketCore(saved.sid, self, client, auth)
        core.restore(saved)
        asked = self.registrations.middlewares and not recovery.skip_middlewares
        if asked and not self._is_welcome(core):
            return
        missed = recovery.missed(saved)
        if not client.is_open:
            # The client may come back once more.
            core.turn_away()
            recovery.keep(saved)
        elif missed is None:
            core.turn_away()
            self._admit_new(client, auth, recovery)
        else:
            self._let_in(core, saved, missed)

    def _let_in(
        self,
        core: SocketCore,
        saved: SavedSocket | None = None,
        missed: Iterable[Message] = (),
    ) -> None:
        socket, runner = core.socket, self.runner
        self.sockets[core.id] = core
        core.client.add(core)
        core.welcome(saved, missed)
        if logger.isEnabledFor(logging.INFO):
            name, session_id = named(self.name), named(core.conn.id[:6])
            logger.info("+ socket %s joined %s on %s", named(core.id), name, session_id)
        if runner.observers:
            runner.observe("joined", socket)
        handlers = self.registrations.listeners.take("connection")
        if handlers:
            runner.within(socket, "connection", greet, socket, handlers, runner)

    def _is_welcome(self, core: SocketCore) -> bool:
        socket = core.socket
        if self.admits_early:
            self.sockets[core.id] = core
            self.adapter.add_all(core.id, (core.id,))
        refusal = refusal_of(socket, self.registrations.middlewares, self.runner)
        if refusal is None:
            return True
        core.turn_away()
        if core.client.is_open:
            deny(socket, refusal, self.runner)
        return False

    # What others report

    def on_server_side_emit(
        self, args: list[Any], answer: Callable[[Any], None] | None = None
    ) -> None:
        """Call the listeners of an event of another server, in greenlets of their own."""
        event, *rest = args
        if event not in NOT_FOR_SERVERS:
            handlers = self.registrations.listeners.take(event)
            call_listeners(self.runner, event, handlers, rest, answer)

    def give_up(self, pid: str) -> None:
        """End the connection of a client that has come back to another server; may block."""
        if self.recovery is not None:
            self.recovery.take_over(pid, None)

    def forget(self, core: SocketCore) -> None:
        """Remove a socket that has left; its last handlers may not have run yet."""
        self.sockets.pop(core.id, None)

    def ended(self, core: SocketCore) -> None:
        """Take note that a socket has left and its last handlers have run."""


class SocketsById(Mapping[str, Socket]):
    """The sockets of a namespace on this server by id, as applications see them; always current.

    Args:
        cores: The sockets as the namespace keeps them.
    """

    __slots__ = ("_cores",)

    def __init__(self, cores: Mapping[str, SocketCore]) -> None:
        self._cores = cores

    def __getitem__(self, sid: str) -> Socket:
        return self._cores[sid].socket

    def __iter__(self) -> Any:
        return iter(self._cores)

    def __len__(self) -> int:
        return len(self._cores)

    def __contains__(self, sid: object) -> bool:
        return sid in self._cores

    def __repr__(self) -> str:
        return repr(dict(self))

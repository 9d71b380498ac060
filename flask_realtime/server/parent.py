"""Dynamic namespaces: a parent matches names, its children hold the sockets.

(Socket.IO documentation, "Namespaces", "Dynamic namespaces".) ``namespaces.py`` decides when
children are made and removed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..adapters.base import AckCollector, Adapter, ServerAck
from ..adapters.values import Target
from ..codec.socket_packet import Packet
from ..functions import require_function
from .namespace import Namespace
from .namespace_core import NamespaceCore

if TYPE_CHECKING:
    from .client import Client
    from .server import BaseServer
    from .socket_core import SocketCore

__all__ = [
    "ChildCore",
    "ChildNamespace",
    "Matcher",
    "ParentCore",
    "ParentNamespace",
    "matches",
    "registered_name",
]

Matcher = re.Pattern[str] | Callable[[str, dict[str, Any]], Any]


class ParentNamespace(Namespace):
    """Many namespaces that are made when clients ask for them: its children.

    ``io.of(re.compile(...))`` and ``io.of(lambda name, auth: ...)`` return one. What is
    registered here, middlewares, listeners and handlers of events, is copied to each child
    when the child is made, so register it before clients come. Emitting, with any modifier,
    reaches the sockets of all children; so do ``sockets_join``, ``sockets_leave``
    and ``disconnect_sockets``. ``fetch_sockets``, ``server_side_emit`` and
    ``server_side_emit_with_ack`` raise ``NotImplementedError``: ask a child.

    A class-based one derives from it as from :class:`Namespace` and is registered with
    ``io.register(Rooms(re.compile(...)))``: ``self`` is the parent then, and ``socket.nsp``
    the child.

    Args:
        matcher: A compiled pattern, which is searched in the name; or ``fn(name, auth)``,
            whose true result says that the name is one of its own. It may block.

    Raises:
        TypeError: It is neither, or a coroutine function, or does not take two arguments.

    Attributes:
        matcher: The pattern or the function.
        name: The pattern, or the name of the function, for the log; no client can join it.
    """

    _core: ParentCore

    def __init__(self, matcher: Matcher) -> None:
        _check_matcher(matcher)
        self.matcher = matcher
        super().__init__("/")
        self.name: str = self._core.name

    def _make_core(self) -> ParentCore:
        return ParentCore(self.matcher, self)

    def bind(self, server: BaseServer) -> ParentCore:
        """Put the namespace to work on a server; see :meth:`Namespace.bind`."""
        super().bind(server)
        return self._core

    @property
    def children(self) -> set[Namespace]:
        """The namespaces that it has now, on this server; a copy."""
        return {child.face for child in self._core.children}

    def __repr__(self) -> str:
        return f"<ParentNamespace {self.name} of {len(self._core.children)}>"


class ParentCore(NamespaceCore):
    """What the server itself does with a parent.

    Attributes:
        matcher: The pattern or the function.
        children: The namespaces that it has now, on this server.
    """

    face: ParentNamespace

    def __init__(self, matcher: Matcher, face: ParentNamespace) -> None:
        super().__init__(_name_of(matcher), face)
        self.matcher = matcher
        self.children: set[ChildCore] = set()

    def _make_adapter(self, server: BaseServer) -> Adapter:
        return ParentAdapter(self)

    def _make_recovery(self, server: BaseServer) -> None:
        """Return none: its children have the sockets."""

    @property
    def is_pattern(self) -> bool:
        """Whether a name alone decides, without a client."""
        return isinstance(self.matcher, re.Pattern)

    def adopt(self, child: ChildCore) -> None:
        """Make a new namespace a child, with everything that is registered here."""
        self.registrations.copy_to(child.registrations)
        self.children.add(child)

    def release(self, child: ChildCore) -> None:
        """Forget a child that has been removed."""
        self.children.discard(child)


def matches(matcher: Matcher, name: str, auth: dict[str, Any]) -> bool:
    """Return whether a name belongs to a matcher.

    A function may block, and what it raises is raised.
    """
    if isinstance(matcher, re.Pattern):
        return matcher.search(name) is not None
    return bool(matcher(name, auth))


def _name_of(matcher: Matcher) -> str:
    if isinstance(matcher, re.Pattern):
        return matcher.pattern
    return str(getattr(matcher, "__qualname__", repr(matcher)))


class ChildNamespace(Namespace):
    """A namespace that a parent has made.

    Args:
        name: Its name.
        parent: The parent.
        on_empty: See :class:`ChildCore`.
    """

    _core: ChildCore

    def __init__(
        self, name: str, parent: ParentCore, on_empty: Callable[[ChildCore], None]
    ) -> None:
        self._made_by = parent, on_empty
        super().__init__(name)

    def _make_core(self) -> ChildCore:
        return ChildCore(self.name, self, *self._made_by)

    def _register_methods(self) -> None:
        # Not a class of the application: looking for methods would cost more than the rest.
        pass

    def bind(self, server: BaseServer) -> ChildCore:
        """Put the namespace to work on a server; see :meth:`Namespace.bind`."""
        super().bind(server)
        return self._core

    @property
    def parent(self) -> ParentNamespace:
        """The parent."""
        return self._core.parent.face


def registered_name(namespace: Namespace) -> str:
    """Return the name that the application has given: for a child, that of its parent.

    The names of children come from clients, and there is no end of them.
    """
    return namespace.parent.name if isinstance(namespace, ChildNamespace) else namespace.name


class ChildCore(NamespaceCore):
    """What the server itself does with a child: it knows when it is empty.

    Args:
        name: Its name.
        face: What applications hold.
        parent: The parent.
        on_empty: Called with it when no client is in it, on the way in or on the way out.

    Attributes:
        parent: The parent.
    """

    def __init__(
        self,
        name: str,
        face: Namespace,
        parent: ParentCore,
        on_empty: Callable[[ChildCore], None],
    ) -> None:
        super().__init__(name, face)
        self.parent = parent
        self._on_empty = on_empty
        # Clients whose middlewares or last handlers run. A socket may end while its connection
        # handler still runs: then it counts twice.
        self._passing = 0
        self._first_registrations: int | None = None

    def expect_registrations(self) -> None:
        """Let what the application registers from now on keep it: it was made by hand."""
        self._first_registrations = self.registrations.count

    @property
    def is_kept(self) -> bool:
        """Whether it holds what the application has registered after making it by hand."""
        return self._first_registrations not in (None, self.registrations.count)

    def admit(self, client: Client, auth: Any) -> None:
        """Let the client in or refuse it; see :meth:`NamespaceCore.admit`."""
        self._passing += 1
        try:
            super().admit(client, auth)
        finally:
            self._passed()

    def forget(self, core: SocketCore) -> None:
        """Remove a socket that has left; its last handlers may not have run yet."""
        # Its `disconnect` handlers may emit to the others: the adapter is still needed.
        self._passing += 1
        super().forget(core)

    def ended(self, core: SocketCore) -> None:
        """Take note that a socket has left and its last handlers have run."""
        self._passed()

    def _passed(self) -> None:
        self._passing -= 1
        self.reconsider()

    def reconsider(self) -> None:
        """Call ``on_empty`` when it is empty."""
        if not self._passing and not self.sockets:
            self._on_empty(self)


class ParentAdapter(Adapter):
    """Passes on to the adapters of the children; it has no rooms of its own."""

    def __init__(self, parent: ParentCore) -> None:
        super().__init__(parent)
        self._parent = parent

    def broadcast(self, packet: Packet, target: Target) -> None:
        """Send a packet to every socket of the target, in each child."""
        self._check(packet)
        for child in self._parent.children:
            child.adapter.broadcast(packet._replace(namespace=child.name), target)

    def broadcast_with_ack(self, packet: Packet, target: Target, collector: AckCollector) -> None:
        """Send a packet in each child, and collect the answers of all."""
        self._check(packet)
        for child in self._parent.children:
            own = packet._replace(namespace=child.name)
            child.adapter.broadcast_with_ack(own, target, collector)

    def _check(self, packet: Packet) -> None:
        # What cannot be carried raises even while no child would encode it.
        if not self._parent.children:
            self._parent.message_of(packet)

    def add_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target join rooms, in each child."""
        wanted = list(rooms)
        for child in self._parent.children:
            child.adapter.add_sockets(target, wanted)

    def del_sockets(self, target: Target, rooms: Iterable[str]) -> None:
        """Make the sockets of the target leave rooms, in each child."""
        wanted = list(rooms)
        for child in self._parent.children:
            child.adapter.del_sockets(target, wanted)

    def disconnect_sockets(self, target: Target, close: bool) -> None:
        """Disconnect the sockets of the target, in each child."""
        for child in self._parent.children:
            child.adapter.disconnect_sockets(target, close)

    def fetch_sockets(self, target: Target) -> list[Any]:
        """Raise: which children other servers have is not known here."""
        raise NotImplementedError(_unsupported("fetch_sockets"))

    def server_side_emit(
        self, args: list[Any], ack: ServerAck | None = None, timeout: float = 5
    ) -> None:
        """Raise: the parents of other servers have no name to send to."""
        raise NotImplementedError(_unsupported("server_side_emit"))


def _unsupported(method: str) -> str:
    return f"{method}() does not work on a parent namespace: call it on one of its children"


def _check_matcher(matcher: Any) -> None:
    if isinstance(matcher, re.Pattern):
        if not isinstance(matcher.pattern, str):
            raise TypeError("the pattern of a namespace must be made from text, not from bytes")
        return
    if not callable(matcher) or isinstance(matcher, type):
        raise TypeError(
            "the name of a namespace must be a string, a compiled pattern or a function, "
            f"not {matcher.__name__ if isinstance(matcher, type) else type(matcher).__name__}"
        )
    require_function(matcher, "the function of a namespace")
    try:
        signature = inspect.signature(matcher)
    except ValueError:
        return  # a function in C without a signature
    try:
        signature.bind("/name", {})
    except TypeError as error:
        raise TypeError(
            f"the function of a namespace is called with (name, auth): {error}"
        ) from None

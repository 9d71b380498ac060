"""The namespaces of a server by name: made, found, removed.

One that a client asks for is made by the first parent that matches; a name is never made, or
made and removed, by two greenlets at the same time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from gevent.event import Event

from ..codec.parser import Parser
from ..engine.state import Life
from ..quoting import named
from ..reasons import Reason
from .client import Client
from .event_names import check_namespace
from .handlers import CAUGHT, FAILED
from .namespace import Namespace, with_slash
from .namespace_core import NamespaceCore
from .parent import ChildCore, ChildNamespace, Matcher, ParentCore, ParentNamespace, matches
from .registrations import Registrations

if TYPE_CHECKING:
    from .server import BaseServer

__all__ = ["Namespaces"]

logger = logging.getLogger(__name__)

N = TypeVar("N", bound=Namespace)

_INVALID = "Invalid namespace"
_INTERNAL_ERROR = "Internal server error"
#: The name under which defects of matchers and adapters are reported to ``on_error``.
_EVENT = "namespace"


class Namespaces:
    """The namespaces of one server, and the parents of those that clients may ask for.

    Args:
        server: What new namespaces are bound to.
    """

    def __init__(self, server: BaseServer) -> None:
        self._server = server
        self._by_name: dict[str, NamespaceCore] = {}
        self._parents: list[ParentCore] = []
        # Names whose namespace is being made or removed, which may block; clients wait for it.
        self._changing: dict[str, Event] = {}
        self._cleanup = False

    def configure(self, parser: Parser, cleanup: bool, new_adapters: bool) -> None:
        """Pass on what depends on options; the main namespace is made the first time.

        Args:
            parser: Encodes packets.
            cleanup: Whether empty children are removed.
            new_adapters: Whether present namespaces need another adapter.
        """
        self._cleanup = cleanup
        for namespace in (*self._by_name.values(), *self._parents):
            namespace.parser = parser
            namespace.max_message_size = self._server.max_message_size
            namespace.use_default(self._server.options.concurrent)
        for namespace in self._by_name.values():
            if new_adapters:
                namespace.adapter.close()
                namespace.adapter = self._server.backends.adapter_of(namespace)
            namespace.recovery = self._server.backends.recovery_of(namespace.adapter)
        if not self._by_name:
            self._make("/")

    def renew_adapters(self) -> None:
        """Give every namespace a new adapter that has the listeners of the one before."""
        for namespace in self._by_name.values():
            before = namespace.adapter
            before.close()
            namespace.adapter = self._server.backends.adapter_of(namespace)
            for event in before.event_names():
                for listener in before.listeners(event):
                    namespace.adapter.on(event, listener)
            namespace.recovery = self._server.backends.recovery_of(namespace.adapter)

    @property
    def main(self) -> NamespaceCore:
        """The main namespace, ``/``."""
        return self._by_name["/"]

    def by_name(self) -> dict[str, Namespace]:
        """Return the namespaces by name; a copy, without parents."""
        return {name: core.face for name, core in list(self._by_name.items())}

    def registrations(self) -> list[tuple[Namespace, Registrations]]:
        """Return what the application has registered at each namespace and each parent."""
        cores = (*self._by_name.values(), *self._parents)
        return [(core.face, core.registrations) for core in cores]

    # What applications ask for

    def of(self, name: str) -> Namespace:
        """Return the namespace of that name; it is made when there is none."""
        check_namespace(name)
        name = with_slash(name)
        namespace = self._by_name.get(name)
        if namespace is not None:
            return namespace.face
        return self._server.hub.ask(self._make_by_hand, name).face

    def parent(self, matcher: Matcher) -> ParentNamespace:
        """Return the parent with that matcher; it is made when there is none."""
        for parent in self._parents:
            if parent.matcher == matcher:
                return parent.face
        return self._add_parent(ParentNamespace(matcher))

    def register(self, namespace: N) -> N:
        """Put a class-based namespace to work.

        Raises:
            TypeError: It is not a namespace.
            ValueError: There is a namespace of that name, or a parent with that matcher; or
                the name is meant as a pattern.
        """
        if not isinstance(namespace, Namespace):
            raise TypeError(f"register() takes a namespace, not {namespace!r}")
        if isinstance(namespace, ParentNamespace):
            if any(parent.matcher == namespace.matcher for parent in self._parents):
                raise ValueError(f"there is a namespace for {namespace.name!r} already")
            self._add_parent(namespace)
            return namespace
        name = namespace.name
        check_namespace(name)
        present = self._by_name.get(name)
        # The main namespace is always there; a class may take its place while it is untouched.
        if name in self._changing or (present and (name != "/" or present.is_used)):
            raise ValueError(f"there is a namespace {name!r} already")
        self._put(namespace)
        return namespace

    def _add_parent(self, parent: ParentNamespace) -> ParentNamespace:
        self._parents.append(parent.bind(self._server))
        return parent

    def _make_by_hand(self, name: str) -> NamespaceCore:
        while (namespace := self._by_name.get(name)) is None:
            changing = self._changing.get(name)
            if changing is None:
                # Without a client there is no auth: functions are not asked.
                patterns = (item for item in self._parents if item.is_pattern)
                namespace = self._make(name, self._first_match(patterns, name, {}))
                if isinstance(namespace, ChildCore):
                    namespace.expect_registrations()
                return namespace
            changing.wait()
        return namespace

    # Making and removing

    def _make(self, name: str, parent: ParentCore | None = None) -> NamespaceCore:
        if parent is None:
            return self._put(Namespace(name))
        return self._put(ChildNamespace(name, parent, self._on_empty))

    def _put(self, face: Namespace) -> NamespaceCore:
        name = face.name
        with self._reserved(name):
            namespace = face.bind(self._server)
            if self._server.engine.life is Life.CLOSED:
                namespace.adapter.close()
            if isinstance(namespace, ChildCore):
                namespace.parent.adopt(namespace)
            replaced = self._by_name.get(name)
            self._by_name[name] = namespace
            if replaced is not None:
                # Before the new one listens: it may use the same channels.
                replaced.adapter.close()
            self._server.start_adapter(namespace.adapter)
            logger.info("+ namespace %s", named(name))
            if name != "/":
                for listener in self.main.registrations.listeners.take("new_namespace"):
                    self._server.runner.call(None, "new_namespace", listener.function, face)
        return namespace

    @contextmanager
    def _reserved(self, name: str) -> Iterator[None]:
        # The adapter and the listeners may block, and one of these may be about to add the
        # middleware that guards the namespace. Until then clients wait, without a deadline, as
        # they wait for a middleware.
        changed = self._changing[name] = Event()
        try:
            yield
        finally:
            del self._changing[name]
            changed.set()

    def _on_empty(self, child: ChildCore) -> None:
        if not self._cleanup or self._server.engine.is_closed or child.is_kept:
            return
        if child.recovery is not None and child.adapter.awaits_clients():
            return
        with self._reserved(child.name):
            del self._by_name[child.name]
            child.parent.release(child)
            if child.recovery is not None:
                self._server.backends.end_recovery(child.recovery)
            try:
                child.adapter.close()
            except CAUGHT:
                logger.exception("! the adapter of %s could not be closed", named(child.name))
        logger.info("- namespace %s", named(child.name))

    # What clients ask for

    def admit(self, client: Client, name: str, auth: Any) -> None:
        """Let a client into a namespace, which may have to be made, or refuse it; may block."""
        # What blocks may end in another state: look again until nothing has blocked.
        while (namespace := self._ready(name)) is None:
            refusal = self._prepare(client, name, auth)
            if refusal:
                if client.is_open:
                    client.refuse(name, refusal)
                return
        namespace.admit(client, auth)

    def _ready(self, name: str) -> NamespaceCore | None:
        return None if name in self._changing else self._by_name.get(name)

    def _prepare(self, client: Client, name: str, auth: Any) -> str:
        """Wait for the namespace, or make it; return why the client is refused, or nothing."""
        changing = self._changing.get(name)
        if changing is not None:
            changing.wait()
            return ""
        if not self._parents:
            return _INVALID
        runner = self._server.runner
        why = runner.visit(client, _EVENT, self._make_for, client, name, dict(auth or {}))
        return _INTERNAL_ERROR if why is FAILED else str(why)

    def _make_for(self, client: Client, name: str, auth: dict[str, Any]) -> str:
        parent = self._first_match(list(self._parents), name, auth)
        if parent is None or self._server.engine.is_closed or not client.is_open:
            # Nothing is made for a client that has left meanwhile.
            return _INVALID
        if name in self._by_name or name in self._changing:
            # Another greenlet created it first.
            return ""
        made = self._server.runner.call(None, _EVENT, self._make, name, parent)
        return _INTERNAL_ERROR if made is FAILED else ""

    def _first_match(
        self, parents: Iterable[ParentCore], name: str, auth: dict[str, Any]
    ) -> ParentCore | None:
        for parent in parents:
            # A function that raises has not matched; the next one is asked.
            if self._server.runner.call(None, _EVENT, matches, parent.matcher, name, auth) is True:
                return parent
        return None

    # The end

    def close(self) -> None:
        """End all sockets; no namespace is made from now on."""
        for namespace in list(self._by_name.values()):
            for socket in list(namespace.sockets.values()):
                socket.on_close(Reason.SERVER_SHUTTING_DOWN)

    def close_adapters(self) -> None:
        """Close all adapters; may block for a bounded time."""
        for namespace in list(self._by_name.values()):
            try:
                namespace.adapter.close()
            except CAUGHT:
                logger.exception("! the adapter of %s could not be closed", named(namespace.name))

    def sweep(self) -> None:
        """Remove empty children that were kept for clients to come back."""
        for namespace in list(self._by_name.values()):
            if isinstance(namespace, ChildCore):
                namespace.reconsider()

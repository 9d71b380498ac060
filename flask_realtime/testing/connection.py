"""One connection of a test client: packets to the clients of its namespaces, and theirs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..codec.message import Message
from ..codec.parser import DefaultParser, Parser
from ..codec.socket_packet import Packet
from .bench import Bench
from .browser import Browser
from .transports import TRANSPORTS
from .waiting import Late

if TYPE_CHECKING:
    from .member import Member

__all__ = ["Connection"]

#: What servers may send has no limit: they trust themselves.
_UNLIMITED = 2**31


class Connection:
    """An Engine.IO session with the namespaces that were joined on it.

    Args:
        bench: Of the server.
        browser: Makes the requests.
        transport: ``"polling"`` or ``"websocket"``.
    """

    def __init__(self, bench: Bench, browser: Browser, transport: str) -> None:
        self._bench = bench
        self._members: dict[str, Member] = {}
        self._parser = parser_of(bench)
        self._decoder = self._parser.decoder(_UNLIMITED)
        self._is_settled = False
        self.is_closed: bool = False
        self._line = TRANSPORTS[transport](browser, self)

    @property
    def is_busy(self) -> bool:
        """Whether one of its requests is being answered."""
        return self._line.is_busy

    def open(self, seconds: float) -> None:
        """Open the session; nothing happens when it is open.

        Raises:
            ConnectError: The server refuses it; ``data`` is the body of its answer.
            Late: There is no answer in time.
        """
        if self._is_settled:
            return
        self._bench.enter(self)
        self._line.open()
        if not self._bench.wait_until(lambda: self._is_settled, seconds):
            self._line.drop()
            raise Late(f"the handshake has not been answered within {seconds:g} s")
        if self._line.refusal is not None:
            raise self._line.refusal

    def add(self, member: Member) -> None:
        """A client asks for a namespace.

        Raises:
            ValueError: Another client of this connection is in that namespace.
        """
        if member.namespace in self._members:
            raise ValueError(f"this connection has joined {member.namespace!r} already")
        self._members[member.namespace] = member

    def remove(self, member: Member) -> None:
        """A client has left its namespace; the last one closes the session."""
        if self._members.get(member.namespace) is member:
            del self._members[member.namespace]
            if not self._members and not self.is_closed:
                self._line.close()

    def send(self, packet: Packet) -> None:
        """Send a packet; raises what the parser raises for values that it cannot carry."""
        self._line.send(self.encode(packet))

    def encode(self, packet: Packet) -> Message:
        """Return a packet as a message."""
        return self._parser.encode(packet)

    def drop(self) -> None:
        """Break the connection without a word."""
        self._line.drop()

    # What the line reports

    def receive(self, packet: str | bytes) -> None:
        """Take a packet of the session."""
        found = self._decoder.add(packet[1:] if isinstance(packet, str) else packet)
        if found is not None:
            member = self._members.get(found.namespace)
            if member is not None:
                member.on_packet(found)
            self._bench.notify()

    def opened(self) -> None:
        """The handshake is over."""
        self._is_settled = True
        self._bench.notify()

    def closed(self, reason: str) -> None:
        """The session is over."""
        self.is_closed = True
        members, self._members = self._members, {}
        for member in members.values():
            member.on_close(reason)
        self._bench.notify()

    def failed(self, error: Exception) -> None:
        """The application has raised, outside of handlers."""
        self._bench.failed(error)


def parser_of(bench: Bench) -> Parser:
    """Return the parser for clients of a server: it takes as many attachments as are sent."""
    options = bench.server.options
    if options.parser is None or options.parser is DefaultParser:
        return DefaultParser(options.json, _UNLIMITED)
    return bench.server.parser

"""How clients join namespaces: Socket.IO protocol 5, and 4 before it.

A client has one dialect from its first packet on. They differ only in joining a namespace;
events and acknowledgements are the same (Socket.IO protocol, "History").
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Protocol
from urllib.parse import parse_qsl

from ..codec.socket_packet import Packet
from ..engine.ids import new_id
from ..engine.requests.request import MAX_PARAMETERS, TOO_MANY
from ..errors import ConnectError

__all__ = ["Dialect", "Dialect4", "Dialect5", "dialect_of"]


class Dialect(Protocol):
    """The parts of the protocol that differ between its versions."""

    @property
    def joins_at_once(self) -> bool:
        """Whether a new client is in the main namespace without asking for it."""

    @property
    def can_return(self) -> bool:
        """Whether its connection state can be recovered."""

    def socket_id(self, session_id: str, namespace: str, taken: Container[str]) -> str:
        """Return the id of a new socket, different from those that are taken."""

    def destination(self, packet: Packet) -> tuple[str, Any]:
        """Return the namespace and the credentials of a CONNECT packet.

        Raises:
            ConnectError: They are beyond a limit.
        """

    def namespace_of(self, name: str) -> str:
        """Return the namespace that a packet names."""

    def welcome(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the answer to CONNECT carries of ``payload``."""

    def refusal(self, error: ConnectError) -> Any:
        """Return what a client is sent that a middleware has refused."""


class Dialect5:
    """Socket.IO protocol 5, over Engine.IO protocol 4: clients of version 3 and later."""

    __slots__ = ()

    joins_at_once = False
    can_return = True

    def socket_id(self, session_id: str, namespace: str, taken: Container[str]) -> str:
        """Return 20 random characters: the session's id is a secret."""
        return new_id()

    def destination(self, packet: Packet) -> tuple[str, Any]:
        """Return the namespace and the credentials of a CONNECT packet."""
        return packet.namespace, packet.data

    def namespace_of(self, name: str) -> str:
        """Return the name as it stands."""
        return name

    def welcome(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Return the payload as it is."""
        return payload

    def refusal(self, error: ConnectError) -> Any:
        """Return an object with the message and, if there is any, the data."""
        if error.data is None:
            return {"message": error.message}
        return {"message": error.message, "data": error.data}


class Dialect4:
    """Socket.IO protocol 4, over Engine.IO protocol 3: clients of version 2."""

    __slots__ = ()

    joins_at_once = True
    can_return = False

    def socket_id(self, session_id: str, namespace: str, taken: Container[str]) -> str:
        """Return the id that the client derives from the session's."""
        sid = session_id if namespace == "/" else f"{namespace}#{session_id}"
        # The id is taken when a client comes back before its last handlers have ended.
        return new_id() if sid in taken else sid

    def destination(self, packet: Packet) -> tuple[str, Any]:
        """Return the namespace, and its query string as credentials.

        Raises:
            ConnectError: The query has more than 64 parameters.
        """
        name, _, query = packet.namespace.partition("?")
        if query.count("&") >= MAX_PARAMETERS:
            raise ConnectError(TOO_MANY)
        return name, dict(parse_qsl(query, keep_blank_values=True))

    def namespace_of(self, name: str) -> str:
        """Return the name without the query, which some clients repeat in every packet."""
        return name.partition("?")[0]

    def welcome(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Return nothing: the client derives its id."""
        return None

    def refusal(self, error: ConnectError) -> Any:
        """Return the data or else the message."""
        # Anything but text, a list or an object is taken for an id or for a broken packet.
        readable = isinstance(error.data, (list, tuple, dict)) or (
            isinstance(error.data, str) and error.data
        )
        return error.data if readable else error.message


def dialect_of(protocol: int) -> Dialect:
    """Return the dialect that goes with a revision of the Engine.IO protocol."""
    return _DIALECT4 if protocol == 3 else _DIALECT5


_DIALECT4, _DIALECT5 = Dialect4(), Dialect5()

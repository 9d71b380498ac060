"""The states of a socket: each move that is allowed, and no other."""

from __future__ import annotations

from itertools import product

import pytest

from flask_realtime.server.socket_state import SOCKET_MOVES, SocketState
from flask_realtime.transitions import check_move

ALLOWED = {
    (SocketState.CONNECTING, SocketState.CONNECTED),
    (SocketState.CONNECTING, SocketState.DISCONNECTED),
    (SocketState.CONNECTED, SocketState.DISCONNECTING),
    (SocketState.DISCONNECTING, SocketState.DISCONNECTED),
}


@pytest.mark.parametrize("pair", sorted(ALLOWED, key=str))
def test_a_socket_moves_on(pair: tuple[SocketState, SocketState]) -> None:
    check_move(SOCKET_MOVES, *pair)


@pytest.mark.parametrize("pair", sorted({*product(SocketState, SocketState)} - ALLOWED, key=str))
def test_a_socket_never_jumps_or_goes_back(pair: tuple[SocketState, SocketState]) -> None:
    with pytest.raises(RuntimeError, match=f"{pair[0].name} -> {pair[1].name}"):
        check_move(SOCKET_MOVES, *pair)

"""Keywords of other servers at the words that send: the message says how they are written here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.pair import Pair
from tests.server.together import Together
from tests.worlds import MakeServer, ServerWorld

KEYWORDS = {
    "to": "io.to(room)",
    "room": "io.to(room)",
    "broadcast": "socket.broadcast",
    "include_self": "socket.broadcast",
    "skip_sid": "except_(sid)",
    "callback": "ack=fn",
    "namespace": "io.of(namespace)",
}


def refused(method: Any, word: str, *args: Any) -> None:
    for name, hint in KEYWORDS.items():
        with pytest.raises(TypeError) as caught:
            method(*args, **{name: "x"})
        text = str(caught.value)
        assert text.startswith(f"{word}() got an unexpected keyword argument {name!r}")
        assert hint in text


WORDS = [("emit", "a"), ("send",), ("emit_with_ack", "a"), ("disconnect_sockets",)]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
def test_a_keyword_of_another_server_is_explained(
    server: ServerWorld, words: tuple[str, ...]
) -> None:
    io, (word, *args) = server.io, words
    for owner in (io, io.of("/chat"), io.to("room"), io.to([]), io.volatile):
        refused(getattr(owner, word), word, *args)


@pytest.mark.parametrize(
    "words", [("emit", "a"), ("send",), ("emit_with_ack", "a"), ("disconnect",)],
    ids=lambda words: words[0],
)  # fmt: skip
def test_so_it_is_at_a_socket(pair: Pair, words: tuple[str, ...]) -> None:
    word, *args = words
    refused(getattr(pair.socket, word), word, *args)
    if word != "disconnect":
        refused(getattr(pair.socket.volatile, word), word, *args)
    assert pair.socket.connected


@pytest.mark.parametrize(
    "words", [("emit", "a"), ("emit_with_ack", "a"), ("disconnect",)], ids=lambda words: words[0]
)
def test_so_it_is_at_a_socket_of_another_server(
    make_server: MakeServer, words: tuple[str, ...]
) -> None:
    together = Together(make_server)
    together.join(1)
    (remote,) = together.servers[0].fetch_sockets()
    word, *args = words
    refused(getattr(remote, word), word, *args)


def test_words_that_send_know_their_event_and_the_rest_of_the_sockets(pair: Pair) -> None:
    pair.socket.send("a", 1)
    pair.socket.write("b")
    pair.socket.compress(False).send("c")
    for expected in (["message", "a", 1], ["message", "b"], ["message", "c"]):
        assert pair.client.event() == expected
    pair.socket.broadcast.emit("to the others")
    pair.socket.compress(False).broadcast.emit("to the others")
    pair.socket.emit("last")
    assert pair.client.event() == ["last"]

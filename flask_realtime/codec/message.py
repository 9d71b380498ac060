"""One outgoing message in the forms of both transports, each made at most once.

A broadcast shares one :class:`Message` between all its recipients, so that the WebSocket
frames are built once and every polling client gets the same encoded packets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import MessageTooLarge
from .payload import encode_binary
from .websocket import BINARY, TEXT, encode_frame, message_frame

__all__ = ["BINARY_MESSAGE", "Message", "text_packet"]

Data = bytes | bytearray | memoryview
_OTHER = (bytearray, memoryview)

#: What stands in front of a binary message in Engine.IO protocol 3.
BINARY_MESSAGE = b"\x04"


class Message:
    """The text of a Socket.IO packet and the attachments that follow it.

    Args:
        text: UTF-8 without the type digit of Engine.IO, as bytes or what can be made bytes of;
            ``None`` when the message is binary only.
        attachments: Binary messages that follow the text without anything between them.
        compress: Whether it may be compressed, in a polling response or as frames.
    """

    __slots__ = (
        "_packets",
        "_revision3",
        "_variants",
        "attachments",
        "compress",
        "framed",
        "text",
    )

    # Set by the first call of revision3(): without clients of protocol 3 it costs nothing.
    _revision3: Message

    def __init__(
        self, text: Data | None, attachments: Sequence[Any] = (), compress: bool = True
    ) -> None:
        # A parser of the application may have made them.
        self.text: bytes | None = bytes(text) if isinstance(text, _OTHER) else text
        self.attachments: Sequence[Any] = attachments
        self.compress: bool = compress
        #: What :meth:`frames` returned; ``None`` before its first call.
        self.framed: bytes | None = None
        self._packets: tuple[bytes, ...] | None = None
        # Frames in other forms; not set before there is one, and most messages have none.
        self._variants: dict[object, bytes]

    def __reduce__(self) -> tuple[type[Message], tuple[Any, ...]]:
        return type(self), (self.text, self.attachments, self.compress)

    def frames(self) -> bytes:
        """Return the WebSocket frames, contiguous, ready for the socket."""
        frames = self.framed
        if frames is None:
            frames = message_frame(self.text) if self.text is not None else b""
            if self.attachments:
                frames += b"".join([encode_frame(BINARY, data) for data in self.attachments])
            self.framed = frames
        return frames

    @classmethod
    def of(cls, data: object, compress: bool = True) -> Message:
        """Return one Engine.IO message of text or bytes.

        Args:
            data: The message.
            compress: Whether it may be compressed.

        Raises:
            TypeError: It is neither.
        """
        if isinstance(data, str):
            return cls(data.encode(), (), compress)
        if isinstance(data, (bytes, bytearray, memoryview)):
            return cls(None, (bytes(data),), compress)
        raise TypeError(f"a message is str or bytes, not {type(data).__name__}")

    @property
    def largest(self) -> int:
        """Bytes of its largest WebSocket message."""
        sizes = [len(data) for data in self.attachments]
        if self.text is not None:
            sizes.append(len(self.text) + 1)
        return max(sizes, default=0)

    @property
    def size(self) -> int:
        """Bytes of its text and its attachments, counted before anything is joined or copied.

        What frames and payloads add is left out: a few bytes each, or a third of an attachment
        in the base64 of a text payload.
        """
        size = sum(map(len, self.attachments))
        return size if self.text is None else size + len(self.text)

    def check_size(self, bound: int) -> None:
        """Raise :exc:`MessageTooLarge` when its :attr:`size` is above ``bound`` bytes."""
        size = self.size
        if size > bound:
            raise MessageTooLarge(size, bound)

    def variant(self, key: object, make: Callable[[Message], bytes]) -> bytes:
        """Return the frames in another form, made once for each key.

        Args:
            key: The form.
            make: Makes the frames, at the first call with this key.
        """
        try:
            variants = self._variants
        except AttributeError:
            variants = self._variants = {}
        frames = variants.get(key)
        if frames is None:
            frames = variants[key] = make(self)
        return frames

    def packets(self) -> tuple[bytes, ...]:
        """Return the packets of a polling payload."""
        packets = self._packets
        if packets is None:
            packets = () if self.text is None else (b"4" + self.text,)
            if self.attachments:
                packets += tuple(map(encode_binary, self.attachments))
            self._packets = packets
        return packets

    def revision3(self) -> Message:
        """Return the message for Engine.IO protocol 3: its attachments begin with a type.

        Its :meth:`packets` are in the form of ``codec/payload3.py``. Text is the same in both.
        """
        if not self.attachments:
            return self
        try:
            return self._revision3
        except AttributeError:
            attachments = [BINARY_MESSAGE + data for data in self.attachments]
            self._revision3 = _Message3(self.text, attachments, self.compress)
            return self._revision3


class _Message3(Message):
    """The form of a message with attachments in protocol 3."""

    __slots__ = ()

    def packets(self) -> tuple[bytes, ...]:
        if self._packets is None:
            head = () if self.text is None else (b"4" + self.text,)
            self._packets = (*head, *self.attachments)
        return self._packets

    def revision3(self) -> Message:
        return self


def text_packet(packet: str) -> bytes:
    """Return the WebSocket frame of a control packet such as ``"2"`` or ``"3probe"``."""
    return encode_frame(TEXT, packet.encode())

"""One response of the embedded server: WSGI's side of it (PEP 3333).

The first piece of the body goes out together with the head. A response whose length the
application does not state has chunks (RFC 9112 §7.1), or ends with its connection.

Applications repeat their heads, and polling makes that a hot path: what was made of the last
small ones is kept, and their bytes for a second, in which their date is right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol
from wsgiref.handlers import format_date_time

__all__ = ["Connection", "Response", "server_options"]

#: Fields of a head that this file looks at, in lower case.
_OWN = frozenset({"connection", "content-length", "date"})
#: Those with a body that is not there; and all below 200.
_BODILESS = (204, 304)
#: How many heads are kept, and how many characters one of them may have.
KEPT_HEADS = 64
MAX_KEPT = 1_024

#: Pairs, as PEP 3333 has them; lists of two work as well.
Headers = list[Any]


class Body(Protocol):
    """What a response needs of the request's body."""

    @property
    def failed(self) -> bool:
        """Whether the body is broken: the connection has no other request."""


class Connection(Protocol):
    """What a response needs of its connection."""

    @property
    def close_connection(self) -> bool:
        """Whether the connection ends with this response."""

    @property
    def body(self) -> Body:
        """The body of the request."""

    def end_with_response(self) -> None:
        """Let the connection end: the response has no other end, or not the one it stated."""

    def send(self, data: bytes) -> None:
        """Send all of the data; raises ``OSError`` when the client is gone or too slow."""


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    """Return the Date field, made once in a second."""
    return f"Date: {format_date_time(second)}\r\n"


class Head:
    """A status and the fields of a response, checked; heads that are equal share one.

    Args:
        status: As the application has named it.
        headers: Its fields.

    Attributes:
        code: The status code.
        text: The lines, without what the server adds.
        own: The values that the server looks at, by their names; never changed.

    Raises:
        TypeError: A name or a value is not text.
        ValueError: The status is not one, there is the end of a line in a field or a character
            beyond Latin-1, or a length is stated where there is no body.
    """

    __slots__ = ("_bytes", "_second", "code", "left", "own", "text")

    def __init__(self, status: str, headers: Sequence[Any]) -> None:
        self.code: int = int(status[:3])
        own: dict[str, str] = {}
        self.own: dict[str, str] = own
        lines = ["HTTP/1.1 ", status, "\r\n"]
        for field in headers:
            name, value = field
            key = name.lower()
            if key in _OWN:
                own[key] = value if key not in own else own[key] + ", " + value
            lines += (name, ": ", value, "\r\n")
        self.text: str = "".join(lines)
        count = len(headers) + 1
        if self.text.count("\r") != count or self.text.count("\n") != count:
            raise ValueError("a field of a response holds the end of a line")
        if not self.text.isascii():
            self.text.encode("latin-1")
        if self.code in _BODILESS and own.get("content-length", "0") != "0":
            raise ValueError(f"a response with the status {self.code} has no length")
        if self.code == 101 and own.get("connection") == "Upgrade":
            del own["connection"]  # it stays where it is
        length = own.get("content-length", "")
        #: Bytes of the body; ``None`` where no length is stated.
        self.left: int | None = int(length) if length.isdigit() else None
        # The whole head at a second of the clock; -1 where it takes more than a date.
        self._second = 0 if self.left is not None and len(own) == 1 else -1
        self._bytes = b""

    @property
    def is_common(self) -> bool:
        """Whether others may be equal: not with what is one client's alone, as cookies are."""
        small = self.code != 101 and len(self.text) <= MAX_KEPT
        return small and "cookie" not in self.text.lower()

    def whole(self, second: int) -> bytes | None:
        """Return all of a head that lacks a date alone, for a client of HTTP/1.1.

        Args:
            second: Of the clock.

        Returns:
            ``None`` where more is missing.
        """
        if self._second != second:
            if self._second < 0:
                return None
            # In this order: another thread may look at them.
            self._bytes = f"{self.text}{_date(second)}\r\n".encode("latin-1")
            self._second = second
        return self._bytes


#: What an application has named, to what was made of it.
_kept: dict[tuple[Any, ...], Head] = {}


def head_of(status: str, headers: Headers) -> Head:
    """Return the head of a response, made once for those that are equal and small.

    Args:
        status: As the application has named it.
        headers: Its fields.

    Raises:
        TypeError: As :class:`Head` does.
        ValueError: As :class:`Head` does.
    """
    key = (status, *headers)
    try:
        head = _kept.get(key)
    except TypeError:
        # A field that is a list cannot be looked up.
        return Head(status, headers)
    if head is None:
        head = Head(status, headers)
        if head.is_common:
            while len(_kept) >= KEPT_HEADS:
                _kept.pop(next(iter(_kept)), None)
            _kept[key] = head
    return head


#: Before the application has named one.
_NO_HEAD = Head("000", ())


class Response:
    """The answer to one request.

    Args:
        connection: Takes the bytes.
        method: The method of the request.
        version: ``HTTP/1.0`` or ``HTTP/1.1``, the client's.

    Attributes:
        connection: As given.
        is_begun: Whether anything has been sent, or is sent without this object.
        code: The status code; 0 before the application has named it.
        status: The whole status.
        head_length: Bytes of the head, once it has been sent.
        headers: As the application has named them.
    """

    __slots__ = (
        "_chunked",
        "_head",
        "_is_bare",
        "_known",
        "_left",
        "_result",
        "_version",
        "code",
        "connection",
        "head_length",
        "headers",
        "is_begun",
        "status",
    )

    def __init__(self, connection: Connection, method: str, version: str) -> None:
        self.connection: Connection = connection
        self._version = version
        # Whether it has no body, whatever the application returns.
        self._is_bare = method == "HEAD"
        self._result: Any = None
        self._chunked = False
        # Bytes that a stated length still promises.
        self._left: int | None = None
        self._known = _NO_HEAD
        self._head = ""
        self.is_begun: bool = False
        self.code: int = 0
        self.status: str = ""
        self.head_length: int = 0
        self.headers: Headers = []

    def run(self, application: Callable[..., Any], environ: dict[str, Any]) -> None:
        """Call the application and send what it returns.

        Raises:
            Exception: What the application raises, and the ``OSError`` of a client that is gone.
        """
        result = self._result = application(environ, self.start_response)
        try:
            for data in result:
                if data:
                    self.write(data)
            if not self.is_begun:
                self.write(b"")
            if self._chunked:
                self.connection.send(b"0\r\n\r\n")
            if self._left and not self._is_bare:
                # The next response would be taken for a part of this one, or the other way round.
                self.connection.end_with_response()
        finally:
            self._result = None
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(
        self, status: str, headers: Iterable[Any], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Take the head of the response; see PEP 3333.

        Raises:
            TypeError: A name or a value is not text.
            ValueError: The status is not one, there is the end of a line in a field or a character
                beyond Latin-1, or a length is stated where there is no body.
        """
        if exc_info is not None:
            try:
                if self.is_begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        if headers.__class__ is not list:
            headers = list(headers)
        head = self._known = head_of(status, headers)
        self._head = head.text
        self.code, self.status, self.headers = head.code, status, headers
        if "connection" in head.own:
            self._take_connection(head.own["connection"])
        return self.write

    def _take_connection(self, value: str) -> None:
        if "close" in {option.strip(" \t") for option in value.lower().split(",")}:
            self.connection.end_with_response()
        # It is said at the end, when it is certain.
        fields = [field for field in self.headers if field[0].lower() != "connection"]
        lines = [f"{name}: {value}\r\n" for name, value in fields]
        self._head = f"HTTP/1.1 {self.status}\r\n" + "".join(lines)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a piece of the body; the first goes out together with the head.

        Raises:
            RuntimeError: ``start_response`` was not called.
            ValueError: The response has no body.
            OSError: The client is gone or too slow.
        """
        if self.is_begun and not data:
            return
        head = b"" if self.is_begun else self._finished_head()
        if data:
            if self.code in _BODILESS:
                raise ValueError(f"a response with the status {self.code} has no body")
            if self._is_bare:
                data = b""
            elif self._chunked:
                data = b"%x\r\n%b\r\n" % (len(data), bytes(data))
            elif self._left is not None:
                self._left -= len(data)
        segment = head + data
        if head:
            self.head_length = len(head)
            self.is_begun = True
        self.connection.send(segment)

    def _finished_head(self) -> bytes:
        code, known, connection = self.code, self._known, self.connection
        if not code:
            raise RuntimeError("the application has not called start_response")
        now = int(time.time())
        self._left = known.left
        is_last = connection.close_connection or connection.body.failed
        if self._version == "HTTP/1.1" and not is_last:
            whole = known.whole(now)
            if whole is not None:
                return whole
        own, head = known.own, self._head
        if "date" not in own:
            head += _date(now)
        if "content-length" not in own and code >= 200 and code not in _BODILESS:
            head += self._framing()
        if code != 101 and (is_last or connection.close_connection):
            head += "Connection: close\r\n"
        elif "connection" in own:
            head += f"Connection: {own['connection']}\r\n"
        elif self._version == "HTTP/1.0":
            head += "Connection: keep-alive\r\n"
        return (head + "\r\n").encode("latin-1")

    def _framing(self) -> str:
        """Return the field that tells where the body ends."""
        if hasattr(self._result, "__len__"):
            self._left = sum(map(len, self._result))
            # Of what a GET would get, nothing is known.
            is_unknown = self._is_bare and not self._left
            return "" if is_unknown else f"Content-Length: {self._left}\r\n"
        if self._version == "HTTP/1.0":
            self.connection.end_with_response()
            return ""
        self._chunked = not self._is_bare
        return "Transfer-Encoding: chunked\r\n"


def server_options(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer ``OPTIONS *``, which is about the server as a whole (RFC 9110 §9.3.7)."""
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]

"""The parsers that the ``parser`` option of a server takes."""

from __future__ import annotations

from .codec.msgpack_parser import MsgpackParser
from .codec.parser import DefaultParser, Parser

__all__ = ["DefaultParser", "MsgpackParser", "Parser"]

"""The parsers that the ``parser`` option of a server takes."""

from __future__ import annotations

from .codec.parser import DefaultParser, Parser

__all__ = ["DefaultParser", "Parser"]

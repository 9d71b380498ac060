"""The parser of a server: its ``parser`` option, checked and made."""

from __future__ import annotations

from ..codec.parser import DefaultParser, Parser
from ..options import Options

__all__ = ["parser_of"]


def parser_of(options: Options) -> Parser:
    """Return the parser that the options ask for.

    Raises:
        TypeError: The ``parser`` option has not the methods of a parser.
    """
    parser = options.parser
    if parser is None or parser is DefaultParser:
        return DefaultParser(options.json, options.max_attachments)
    made: Parser = parser() if isinstance(parser, type) else parser
    for name in ("encode", "decoder"):
        if not callable(getattr(made, name, None)):
            raise TypeError(f"a parser has encode() and decoder(), but {parser!r} does not")
    return made

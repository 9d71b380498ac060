"""Links of this repository's Markdown, for readers who do not have the repository.

The long description of the package and the site of the documentation show pages outside their
place. The address of the repository is a setting in setup.cfg; while it is empty, a link to a
file becomes plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

__all__ = ["address", "outward"]

_ROOT = Path(__file__).resolve().parent.parent
_FENCED = re.compile(r"^(?:```.*?^```$\n?)", re.MULTILINE | re.DOTALL)
#: A text that may hold code with brackets, then a target.
_LINK = re.compile(r"(!?)\[((?:`[^`]*`|[^][])+)\]\(([^()\s]+)\)")

#: One for light and one for dark pages, which Markdown has no words for; on lines of its own.
_PICTURE = re.compile(r"^<picture>\n.*?^</picture>\n+", re.MULTILINE | re.DOTALL)
_SOURCE = re.compile(r'\b(src|srcset)="([^"]+)"')


def address() -> str:
    """Where the repository is public; empty while it has no such place."""
    settings = ConfigParser(interpolation=None)
    settings.read(_ROOT / "setup.cfg", encoding="utf-8")
    return settings.get("repository", "address", fallback="").strip().rstrip("/")


def outward(text: str, repository: str, leads_out: Callable[[str], bool]) -> str:
    """Make links absolute, or plain text where there is no address; code is left as it is.

    Args:
        text: A page in Markdown.
        repository: The address that the targets are below; empty for plain text.
        leads_out: Tells which targets the reader does not have; never asked for other sites.

    Returns:
        The page with those links replaced. An image without an address is left out.
    """

    def replaced(link: re.Match[str]) -> str:
        mark, label, target = link.groups()
        if re.match(r"[a-z]+:", target) or not leads_out(target):
            return link[0]
        if repository:
            place = "raw" if mark else "blob"
            path = re.sub(r"^(\.\./)+", "", target)
            path = f"README.md{path}" if path.startswith("#") else path
            return f"{mark}[{label}]({repository}/{place}/HEAD/{path})"
        return "" if mark else label

    def placed(picture: re.Match[str]) -> str:
        if not all(leads_out(target) for _, target in _SOURCE.findall(picture[0])):
            return picture[0]
        return _SOURCE.sub(rf'\1="{repository}/raw/HEAD/\2"', picture[0]) if repository else ""

    text = _PICTURE.sub(placed, text)
    parts, end = [], 0
    for code in _FENCED.finditer(text):
        parts += [_LINK.sub(replaced, text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(replaced, text[end:])])

"""The map in docs/internals.md: every name on it exists, and its diagrams are the tables."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture import modules

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "flask_realtime"
MAP = ROOT / "docs" / "internals.md"

FENCED = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"\b(?:[a-z]\w*/)*[a-z_]\w*\.py\b|\b(?:[a-z]\w*/)+(?!\w)")
MEMBER = re.compile(r"\b([A-Z]\w*[a-z]\w*)\.(\w+)")
CLASS = re.compile(r"[A-Z]\w*[a-z]\w*\Z")
FUNCTION = re.compile(r"(?<![\w.])([a-z]\w*)\(\)")
MOVE = re.compile(r"^(\w+(?:, \w+)*) -> (\w+(?:, \w+)*)(?: {2,}|$)")
#: An enumeration of states, its file, and the diagram of its moves.
DIAGRAM = re.compile(
    r"^\*\*[^*]+\*\*, `(\w+)` in `([\w/]+)\.py`\..*?\n\n```text\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
#: Names of the language and of applications.
FOREIGN = {*dir(builtins), "Protocol", "run()"}
#: Methods in diagrams of states are those of the class whose states they are.
IN_DIAGRAMS = {"close()", "drain()", "end()", "on_close()", "refuse()"}


class Names:
    """What the package defines: classes with their attributes, functions, constants."""

    def __init__(self) -> None:
        self.classes: dict[str, set[str]] = {}
        self.functions: set[str] = set()
        self._bases: dict[str, set[str]] = {}
        for module in [*modules(PACKAGE), *modules(ROOT / "tests" / "adapters")]:
            self._read(module.tree)

    def _read(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                self.classes.setdefault(node.name, set()).update(attributes(node))
                bases = {ast.unparse(base).partition("[")[0] for base in node.bases}
                self._bases.setdefault(node.name, set()).update(bases)
        self.functions |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

    def has_member(self, owner: str, name: str) -> bool:
        above = self._bases.get(owner, set()) - {owner}
        return name in self.classes.get(owner, ()) or any(
            self.has_member(base, name) for base in above
        )


def attributes(owner: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(owner):
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id
                elif isinstance(target, ast.Attribute):
                    yield target.attr


def missing(text: str, names: Names) -> list[str]:
    """Return what a text names, in backticks or in blocks, and what is nowhere defined."""
    blocks = FENCED.findall(text)
    diagrams = {block for _, _, block in DIAGRAM.findall(text)}
    found: set[str] = set()
    for code in [*CODE.findall(FENCED.sub("", text)), *blocks]:
        known = IN_DIAGRAMS | FOREIGN if code in diagrams else FOREIGN
        found.update(set(missing_in(code, names)) - known)
    return sorted(found)


def missing_in(code: str, names: Names) -> Iterator[str]:
    for path in PATH.findall(code):
        if not any((root / path).exists() for root in (PACKAGE, ROOT)):
            yield path
    for owner, name in MEMBER.findall(code):
        if not names.has_member(owner, name):
            yield f"{owner}.{name}"
    for name in FUNCTION.findall(code):
        if name not in names.functions:
            yield f"{name}()"
    if CLASS.match(code) and code not in names.classes:
        yield code


def test_what_the_map_names_exists() -> None:
    found = missing(MAP.read_text(encoding="utf-8"), Names())
    assert not found, "the map names what does not exist: " + ", ".join(found)


def test_names_that_are_gone_are_found() -> None:
    text = (
        "`engine/session.py` `engine/sesion.py` `codec/` `codecs/` `Session.close` `Session.shut`\n"
        "`Session` `Sesion` `dispatch()` `despatch()` `Realtime.emit` `emit`\n\n"
        "```text\nhub  Session.recieve  engine/gone.py  read_body() read_buddy()\n```\n"
    )
    assert missing(text, Names()) == [
        "Sesion",
        "Session.recieve",
        "Session.shut",
        "codecs/",
        "despatch()",
        "engine/gone.py",
        "engine/sesion.py",
        "read_buddy()",
    ]


# --- states

Moves = set[tuple[str, str]]


def drawn(diagram: str) -> Moves:
    """Return the moves of a diagram: "A, B -> C, D" stands for four."""
    found: Moves = set()
    for line in diagram.splitlines():
        match = MOVE.match(line)
        assert match is not None, f"not a move: {line}"
        before, after = (side.split(", ") for side in match.groups())
        found |= {(one, other) for one in before for other in after}
    return found


def allowed(path: str, name: str) -> Moves:
    """Return the moves of the table beside an enumeration; none where there is no such table."""
    module = importlib.import_module("flask_realtime." + path.replace("/", "."))
    states = getattr(module, name, ())
    for table in vars(module).values():
        if isinstance(table, dict) and table and set(table) == set(states):
            return {(one.name, other.name) for one in table for other in table[one]}
    return set()


def differences(text: str) -> list[str]:
    """Return each move that is only in a diagram, or only in the table that it stands for."""
    found = []
    for name, path, diagram in DIAGRAM.findall(text):
        shown, real = drawn(diagram), allowed(path, name)
        found += [f"{name}: {a} -> {b} is not in the table" for a, b in sorted(shown - real)]
        found += [f"{name}: {a} -> {b} is not in the diagram" for a, b in sorted(real - shown)]
    return found


def test_the_diagrams_show_the_moves_of_the_tables() -> None:
    text = MAP.read_text(encoding="utf-8")
    assert len(DIAGRAM.findall(text)) == 7
    found = differences(text)
    assert not found, "\n" + "\n".join(found)


def test_a_diagram_that_differs_from_its_table_is_found() -> None:
    text = (
        "**A socket**, `SocketState` in `server/socket_state.py`. Text.\n\n```text\n"
        "CONNECTING -> CONNECTED, DISCONNECTED  text\nDISCONNECTED -> CONNECTED\n"
        "DISCONNECTING -> DISCONNECTED\n```\n"
    )
    assert differences(text) == [
        "SocketState: DISCONNECTED -> CONNECTED is not in the table",
        "SocketState: CONNECTED -> DISCONNECTING is not in the diagram",
    ]

"""The rules of CONTRIBUTING.md that a program can check.

A checker takes the folder of the package and returns one line per finding, "path:line what".
LAYERS below says where each module belongs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Where each file and folder directly under flask_realtime/ belongs. A new one is placed here.
BASE, CODEC, LOOP, MIDDLE, SERVER, SHELL, FACADE = range(7)
LAYERS = {
    "errors": BASE,
    "events": BASE,
    "extras": BASE,
    "functions": BASE,
    "numeric": BASE,
    "hints": BASE,
    "options": BASE,
    "quoting": BASE,
    "reasons": BASE,
    "rooms": BASE,
    "transitions": BASE,
    "codec": CODEC,
    "parsers": CODEC,
    "loop": LOOP,
    "engine": MIDDLE,
    "adapters": MIDDLE,
    "server": SERVER,
    "cli": SHELL,
    "client_files": SHELL,
    "context": SHELL,
    "emitter": SHELL,
    "extension": SHELL,
    "flask_socketio": SHELL,
    "gunicorn": SHELL,
    "hosts": SHELL,
    "metrics": SHELL,
    "routes": SHELL,
    "running": SHELL,
    "serving": SHELL,
    "testing": SHELL,
    "tracing": SHELL,
    "wsgi": SHELL,
    "__init__": FACADE,
    "__main__": FACADE,
}
# Neither of two knows the other.
STRANGERS = ({"engine", "adapters"}, {"loop", "codec"}, {"loop", "parsers"})
WEB = {"flask", "gunicorn"}
IMPURE = {"asyncio", "gevent", "geventwebsocket", "greenlet", "redis", "select", "selectors"}
IMPURE |= {"signal", "socket", "ssl", "subprocess", "threading", "time"}
# BASE: all but the standard library
FORBIDDEN = {CODEC: IMPURE | WEB, LOOP: WEB | {"redis"}, MIDDLE: WEB, SERVER: WEB}
ADAPTERS = {
    f"adapters.{name}"
    for name in ("base", "cluster", "memory", "memory_log", "redis", "urls", "values", "wire")
}
MEMORY = {"adapters.base", "adapters.memory", "adapters.memory_log", "adapters.values"}
# Rooms inside a layer, lowest first: what each must not import, of this package and of others.
ROOMS = {
    "adapters.values": {*ADAPTERS - {"adapters.values"}, *IMPURE},
    "adapters.base": {*ADAPTERS - {"adapters.values"}, *IMPURE},
    "adapters.memory_log": {*ADAPTERS - {"adapters.values"}, *IMPURE},
    "adapters.wire": {*ADAPTERS - {"adapters.values", "adapters.wire"}, *IMPURE},
    "adapters.memory": {*ADAPTERS - MEMORY, *IMPURE},
    "adapters.cluster": {"adapters.redis", "adapters.urls", "redis"},
    "adapters.redis": {"adapters.urls"},
    "adapters.redis.client": {*ADAPTERS, *IMPURE},  # emitters use it
    "engine.transports": {"engine.requests", "engine.engine", "engine.session"},
    "engine.requests": {"engine.engine"},
    "hosts.workers.frames": IMPURE,
    "hosts.workers.head": IMPURE,
    "hosts.workers.placement": IMPURE,
    "hosts.finder": {"hosts.workers"},
    "hosts.gunicorn": {"hosts.workers"},
    "hosts.embedded": {"hosts.workers"},
}
SUITES = ("testing", "pytest")
UNSAFE = {"cPickle", "dill", "marshal", "pickle", "shelve"}

FILE_LINES, FUNCTION_LINES, UNTESTED_LINES = 400, 60, 45
NAMEDTUPLE = {"_asdict", "_fields", "_make", "_replace"}  # public, in spite of their names
DOCUMENTED = NAMEDTUPLE | {"_current_frames"}  # of `sys`, as well

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: str  # from the folder that holds the package
    inside: tuple[str, ...]  # ("codec", "payload"); ("engine", "__init__")
    source: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        return self.inside[0]

    @property
    def is_init(self) -> bool:
        return self.inside[-1] == "__init__"

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)} {what}"

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)


def modules(package: Path) -> list[Module]:
    found = []
    for file in sorted(package.rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        path = file.relative_to(package.parent).as_posix()
        inside = file.relative_to(package).with_suffix("").parts
        found.append(Module(path, inside, source, ast.parse(source, path)))
    if not found:
        raise FileNotFoundError(f"no Python file in {package}")
    return found


# --- layers ------------------------------------------------------------------


def imports(module: Module, package: str) -> Iterator[tuple[ast.AST, str]]:
    """Each name that is imported, in full; also where the import waits inside a function."""

    def absolute(name: str, level: int) -> str:
        here = [package, *module.inside[:-1]]
        return ".".join([*here[: len(here) - level + 1], name] if level else [name])

    for node in module.nodes():
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}" if node.module else alias.name
                yield node, absolute(name, node.level)
        elif isinstance(node, ast.Call) and called(node) in {"import_module", "__import__"}:
            match node.args:
                case [ast.Constant(value=str(name)), *_]:
                    plain = name.lstrip(".")
                    yield node, absolute(plain, len(name) - len(plain))


def called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def layering(package: Path) -> list[str]:
    found = []
    present = modules(package)
    siblings = {module.layer for module in present}
    for module in present:
        if module.layer not in LAYERS:
            found.append(module.at(module.tree, f"give '{module.layer}' a place in LAYERS"))
            continue
        rank = LAYERS[module.layer]
        for node, name in imports(module, package.name):
            top, _, rest = name.partition(".")
            if top == package.name:
                other = rest.partition(".")[0]
                other = other if other in siblings else "__init__"
                if LAYERS.get(other, BASE) > rank or {module.layer, other} in STRANGERS:
                    found.append(module.at(node, f"{module.layer} must not import {other}"))
            elif top in FORBIDDEN.get(rank, ()) or (rank == BASE and not is_standard(top)):
                found.append(module.at(node, f"{module.layer} must not import {top}"))
    return found


def rooms(package: Path) -> list[str]:
    """Inside a layer, what belongs to one room does not import what ROOMS keeps out of it."""
    found = []
    for module in modules(package):
        for room in ROOMS:
            if is_below(".".join(module.inside), room):
                found += strays(module, room, package.name)
    return found


def strays(module: Module, room: str, package: str) -> list[str]:
    """The imports of a module that its room keeps out; what is for types only may come in."""
    found = []
    typed = for_types(module)
    for node, name in imports(module, package):
        if node in typed:
            continue
        for other in sorted(ROOMS[room]):
            # A dotted name is a room of this package, another one a package of its own.
            subject = name.removeprefix(f"{package}.") if "." in other else name
            if is_below(subject, other):
                found.append(module.at(node, f"{room} must not import {other}"))
    return found


def for_types(module: Module) -> set[ast.AST]:
    """The nodes inside an `if TYPE_CHECKING:`."""
    return {
        below
        for node in module.nodes()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for below in ast.walk(statement)
    }


def is_below(name: str, above: str) -> bool:
    return name == above or name.startswith(above + ".")


def is_standard(top: str) -> bool:
    return top in sys.stdlib_module_names


# --- sizes -------------------------------------------------------------------


def sizes(package: Path) -> list[str]:
    found = []
    for module in modules(package):
        lines = len(module.source.splitlines())
        if lines > FILE_LINES:
            found.append(module.at(module.tree, f"{lines} lines, the limit is {FILE_LINES}"))
        for node in module.nodes():
            if isinstance(node, Function) and (lines := length(node)) > FUNCTION_LINES:
                what = f"{node.name}: {lines} lines, the limit is {FUNCTION_LINES}"
                found.append(module.at(node, what))
    return found


def length(function: Function) -> int:
    """Its lines without the docstring."""
    end = function.end_lineno or function.lineno
    lines = end - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


# --- exceptions, pickle, print -----------------------------------------------


def swallowed_exceptions(package: Path) -> list[str]:
    found = []
    for module in modules(package):
        for node in module.nodes():
            if not isinstance(node, ast.ExceptHandler):
                continue
            if node.type is None:
                found.append(module.at(node, "bare except"))
            elif catches_everything(node.type) and not isinstance(node.body[-1], ast.Raise):
                found.append(module.at(node, "except BaseException that does not end in raise"))
    return found


def catches_everything(caught: ast.expr) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(ast.unparse(name).split(".")[-1] == "BaseException" for name in names)


def unsafe_and_noisy(package: Path) -> list[str]:
    found = []
    for module in modules(package):
        for node, name in imports(module, package.name):
            if name.partition(".")[0] in UNSAFE:
                found.append(module.at(node, f"imports {name.partition('.')[0]}"))
        for node in module.nodes():
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "builtins.print"}:
                found.append(module.at(node, "print() in the library; use the logger"))
    return found


# --- private names -----------------------------------------------------------


def private_access(package: Path) -> list[str]:
    present = modules(package)
    stems = {part for module in present for part in module.inside}
    found = []
    for module in present:
        own = {"self", "cls"}
        own |= {node.name for node in module.nodes() if isinstance(node, ast.ClassDef)}
        seen = [
            module.at(node, f"reaches for {ast.unparse(node)}")
            for node in private_attributes(module, own)
        ]
        for node, name in imports(module, package.name):
            last = name.split(".")[-1]
            if is_private(last) and last not in stems:
                seen.append(module.at(node, f"imports the private name {last}"))
        found += seen
    return found


def private_attributes(module: Module, own: set[str]) -> Iterator[ast.AST]:
    """Private attributes taken from anything but oneself or a class of the same file."""
    for node in module.nodes():
        if isinstance(node, ast.Attribute):
            if is_private(node.attr) and not is_own(node.value, own):
                yield node
        elif isinstance(node, ast.Call) and called(node) in {"getattr", "setattr", "delattr"}:
            match node.args:
                case [target, ast.Constant(value=str(name)), *_]:
                    if is_private(name) and not is_own(target, own):
                        yield node


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in DOCUMENTED


def is_own(value: ast.expr, own: set[str]) -> bool:
    if isinstance(value, ast.Call):
        return called(value) == "super"
    return isinstance(value, ast.Name) and value.id in own


# --- words for the reader ----------------------------------------------------


def missing_docstrings(package: Path) -> list[str]:
    present = modules(package)
    classes = {
        node.name: node
        for module in present
        for node in module.nodes()
        if isinstance(node, ast.ClassDef)
    }
    found = []
    for module in present:
        if any(part.startswith("_") and part != "__init__" for part in module.inside):
            continue
        for path, node, owner in definitions(module.tree, None):
            inherits = owner is not None and node.name in documented_above(owner, classes)
            if ast.get_docstring(node) is None and not inherits:
                found.append(module.at(node, f"{'.'.join(path)} has no docstring"))
    return found


Found = tuple[tuple[str, ...], Definition, ast.ClassDef | None]


def definitions(
    node: ast.AST, owner: ast.ClassDef | None, path: tuple[str, ...] = ()
) -> Iterator[Found]:
    """Public functions, classes and methods, with the class they stand in.

    The name of a test says what it does.
    """
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Definition):
            yield from definitions(child, owner, path)
        elif not child.name.startswith(("_", "test_")) and not is_second_definition(child):
            yield (*path, child.name), child, owner
            if isinstance(child, ast.ClassDef):
                yield from definitions(child, child, (*path, child.name))


def is_second_definition(node: Definition) -> bool:
    names = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
    return bool(names & {"overload", "override", "setter", "deleter"})


def documented_above(owner: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> set[str]:
    """Names that a base class of this package documents; an override need not repeat it."""
    names: set[str] = set()
    for base in owner.bases:
        stem = ast.unparse(base).partition("[")[0].split(".")[-1]
        if stem in classes and stem != owner.name:
            above = classes[stem]
            names |= documented_above(above, classes)
            names |= {
                node.name
                for node in above.body
                if isinstance(node, Definition) and ast.get_docstring(node)
            }
    return names


def missing_heads(package: Path) -> list[str]:
    found = []
    for module in modules(package):
        comment = module.source.startswith("# ")
        if not module.is_init and not comment and not ast.get_docstring(module.tree):
            found.append(module.at(module.tree, "does not begin by saying its one job"))
    return found


# --- tests mirror the sources ------------------------------------------------


def untested_modules(package: Path) -> list[str]:
    present = [module for module in modules(package) if not module.is_init]
    # Suites of tests are tested by those that they test.
    present = [module for module in present if module.inside[:2] != SUITES]
    stems = [module.inside[-1] for module in present]
    tests = [
        file.relative_to(package.parent) for file in package.parent.rglob("tests/**/test_*.py")
    ]
    found = []
    for module in present:
        expected = Path("tests", *module.inside[:-1], f"test_{module.inside[-1].lstrip('_')}.py")
        # Two sources of one name need tests in the folders of the sources.
        strict = stems.count(module.inside[-1]) > 1
        tested = expected in tests if strict else expected.name in {test.name for test in tests}
        if len(module.source.splitlines()) > UNTESTED_LINES and not tested:
            found.append(module.at(module.tree, f"has no tests: {expected.as_posix()}"))
    return found


CHECKERS: list[Callable[[Path], list[str]]] = [
    layering,
    rooms,
    sizes,
    swallowed_exceptions,
    unsafe_and_noisy,
    private_access,
    missing_docstrings,
    missing_heads,
    untested_modules,
]

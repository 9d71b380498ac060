"""The rules of ``compiling.py`` as code: what may not be in a module that is compiled."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

__all__ = [
    "Sources",
    "bypassed_constructors",
    "foreign_kin",
    "known_by_code",
    "lost_causes",
    "nested_functions",
    "read",
    "recursions",
    "reversible_slices",
]

#: Paths below the root of the repository, to what is in them.
Sources = Mapping[str, ast.Module]

#: Bases that mypyc knows beside those that it compiles.
_BASES = {"Exception", "ValueError", "TypeError", "NamedTuple", "Protocol", "IntEnum", "object"}


def read(root: Path, names: Iterable[str]) -> dict[str, ast.Module]:
    """Return the sources of some modules."""
    return {name: ast.parse((root / name).read_text(encoding="utf-8")) for name in names}


def recursions(sources: Sources) -> list[str]:
    """Return the functions that may call themselves, also by way of others of their module."""
    found = []
    for name, tree in sources.items():
        calls = {function: set(_called(node)) for function, node in _functions(tree)}
        found += [f"{name} {start}" for start in calls if start in _reached(calls, start)]
    return found


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node


def _called(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                yield called.id
            elif isinstance(called, ast.Attribute) and _is_self(called.value):
                yield called.attr


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _reached(calls: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = set(calls[start])
    while waiting:
        name = waiting.pop()
        if name in calls and name not in reached:
            reached.add(name)
            waiting |= calls[name]
    return reached


def foreign_kin(compiled: Sources, others: Sources) -> list[str]:
    """Return the classes that have a base, or are one, on the other side."""
    own = {node.name for tree in compiled.values() for node in _classes(tree)}
    found = [
        f"{name} {node.name}"
        for name, tree in compiled.items()
        for node in _classes(tree)
        if not {*_bases(node)} <= own | _BASES
    ]
    for name, tree in others.items():
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        found += [
            f"{name} {node.name}" for node in _classes(tree) if imported & own & {*_bases(node)}
        ]
    return found


def _classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _bases(node: ast.ClassDef) -> Iterator[str]:
    for base in node.bases:
        named = base.value if isinstance(base, ast.Subscript) else base
        yield named.attr if isinstance(named, ast.Attribute) else ast.unparse(named)


def known_by_code(tree: ast.Module) -> set[str]:
    """Return the modules from which functions come whose ``__code__`` is asked for."""
    asked = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        if asked & {alias.name for alias in node.names}
    }


def reversible_slices(sources: Sources) -> list[str]:
    """Return the slices whose end is computed with a subtraction, and so may lie before the start.

    Of bytes, mypyc makes a ``SystemError`` of them in place of nothing.
    """
    found = []
    for name, tree in sources.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Slice) and node.lower is not None:
                end = node.upper
                if isinstance(end, ast.BinOp) and isinstance(end.op, ast.Sub):
                    found.append(f"{name}:{node.lineno}")
    return found


def bypassed_constructors(sources: Sources) -> list[str]:
    """Return where ``X.__new__`` makes an object: a compiled class has none to call.

    That of ``tuple`` is a function of C, which makes named tuples.
    """
    return [
        f"{name}:{node.lineno}"
        for name, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        if node.attr == "__new__" and ast.unparse(node.value) != "tuple"
    ]


def nested_functions(sources: Sources) -> list[str]:
    """Return the functions inside others."""
    return [
        f"{name}:{inner.lineno}"
        for name, tree in sources.items()
        for _, outer in _functions(tree)
        for inner in ast.walk(outer)
        if isinstance(inner, (ast.FunctionDef, ast.Lambda)) and inner is not outer
    ]


def lost_causes(sources: Sources) -> list[str]:
    """Return where a cause is named that the error does not have already."""
    return [
        f"{name}:{node.lineno}"
        for name, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and node.exc is not None and node.cause is not None
        if not ast.unparse(node.exc).startswith("caused(")
    ]

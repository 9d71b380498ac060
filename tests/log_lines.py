"""The rule of quoting.py that a program can check: log calls hold no text as it stands."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.architecture import Module, called, modules

QUOTING = {"named", "quoted", "shown"}
# What a log line may hold as it stands: the program and the operator chose it.
OWN_WORDS = {
    "Reason.SERVER_SHUTTING_DOWN",
    "_EVENT",
    "_LIMIT",
    "address",
    "self.client_address",
    "sign",
    "short",
    "before",
    "obstacle.value",
    "self._stream",
    "self._title",
    "self.options.path",
    "session.transport.name",
    "state.name",
    "type(adapter).__name__",
}


def unquoted_log_arguments(package: Path) -> list[str]:
    """Text in a log line that passes through none of the functions of quoting.py."""
    found = []
    for module in modules(package):
        known = OWN_WORDS | quoted_names(module)
        for node in module.nodes():
            if not isinstance(node, ast.Call) or not is_log_call(node.func):
                continue
            # The first argument of `log` is the level.
            line, *args = node.args[called(node) == "log" :]
            if not isinstance(line, (ast.Constant, ast.Name)) and ast.unparse(line) not in known:
                found.append(module.at(node, "a log line that is put together before it is logged"))
                continue
            # The kinds of a line that is chosen elsewhere are not known: all may be text.
            kinds = ["s"] * len(args)
            if isinstance(line, ast.Constant):
                kinds = re.findall(r"%[.0-9]*([a-z])", str(line.value))
            found += [
                module.at(arg, f"{ast.unparse(arg)} may hold what a client chose")
                for kind, arg in zip(kinds, args, strict=True)
                if kind in "rsa" and not is_quoted(arg, known)
            ]
    return found


def is_log_call(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr == "isEnabledFor":
        return False
    return isinstance(function.value, ast.Name) and function.value.id == "logger"


def is_quoted(value: ast.expr, known: set[str]) -> bool:
    match value:
        case ast.Constant() | ast.JoinedStr(values=[]):
            return True
        case ast.IfExp(body=body, orelse=orelse):
            return is_quoted(body, known) and is_quoted(orelse, known)
        case ast.Call() if called(value) in QUOTING:
            return True
    return ast.unparse(value) in known


def quoted_names(module: Module) -> set[str]:
    """Variables of what these functions have returned, and errors of the operating system."""
    found: set[str] = set()
    for node in module.nodes():
        if isinstance(node, ast.ExceptHandler) and node.name and node.type is not None:
            if "OSError" in ast.unparse(node.type):
                found.add(node.name)
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            found |= {ast.unparse(name) for name, made in pairs if is_quoted(made, set())}
    return found

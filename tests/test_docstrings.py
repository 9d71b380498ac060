"""Public docstrings: each names every argument, or the method whose contract it follows."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import flask_realtime
from flask_realtime import adapters, flask_socketio, parsers, testing

PUBLIC = (flask_realtime, adapters, parsers, testing, flask_socketio)
#: "Like :meth:`on`, …": the arguments are those of another method.
_FOLLOWS = re.compile(r"(?i)\b(?:see|like|same as|raises what|as for) :(?:meth|class):")


def public_functions() -> Iterator[tuple[str, type | None, Callable[..., Any]]]:
    """What users call: functions, constructors and methods, each once."""
    seen = set()
    for module in PUBLIC:
        for name in module.__all__:
            found = getattr(module, name)
            for owner, member in members(found) if inspect.isclass(found) else [(None, found)]:
                function = inspect.unwrap(member) if callable(member) else None
                if inspect.isfunction(function) and is_ours(function) and function not in seen:
                    seen.add(function)
                    yield f"{name}.{function.__qualname__}", owner, function


def members(cls: type) -> Iterator[tuple[type, Any]]:
    for name, member in inspect.getmembers(cls):
        if name == "__init__" or not name.startswith("_"):
            yield cls, member


def is_ours(function: Callable[..., Any]) -> bool:
    return function.__module__.startswith("flask_realtime")


def contract(owner: type | None, function: Callable[..., Any]) -> str:
    """The docstring of a function with those that it stands behind."""
    texts = [inspect.getdoc(function) or ""]
    if owner is not None:
        if function.__name__ == "__init__":
            texts.append(inspect.getdoc(owner) or "")
        # A method that overrides another keeps its contract.
        overridden = (vars(base).get(function.__name__) for base in owner.__mro__)
        texts += [inspect.getdoc(method) or "" for method in overridden if method is not None]
    return "\n".join(texts)


def unnamed(owner: type | None, function: Callable[..., Any]) -> list[str]:
    text = contract(owner, function)
    if _FOLLOWS.search(text):
        return []
    names = inspect.signature(function).parameters
    return [
        name
        for name, parameter in names.items()
        if name != "self"
        and parameter.annotation != "NoReturn"
        and not re.search(rf"\b{name}\b", text)
    ]


@pytest.mark.parametrize(
    ("owner", "function"), [pytest.param(*rest, id=name) for name, *rest in public_functions()]
)
def test_a_public_docstring_names_every_argument(
    owner: type | None, function: Callable[..., Any]
) -> None:
    assert unnamed(owner, function) == []


def test_an_argument_that_is_left_out_is_found() -> None:
    def greet(name: str, loudly: bool) -> None:
        """Say hello to ``name``."""

    assert unnamed(None, greet) == ["loudly"]

"""What may be compiled, and when it is; each rule can find a violation."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable

import pytest

import compiling
from tests.compiled_rules import (
    Sources,
    bypassed_constructors,
    foreign_kin,
    known_by_code,
    lost_causes,
    nested_functions,
    read,
    recursions,
    reversible_slices,
)
from tests.processes import ROOT

COMPILED = read(ROOT, compiling.MODULES)
OTHERS = read(
    ROOT,
    (
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "flask_realtime").rglob("*.py")
        if path.relative_to(ROOT).as_posix() not in compiling.MODULES
    ),
)


def sources(text: str) -> Sources:
    return {"x.py": ast.parse(text)}


def test_each_module_is_named_once() -> None:
    assert len(set(compiling.MODULES)) == len(compiling.MODULES)


RULES = (recursions, reversible_slices, bypassed_constructors, nested_functions, lost_causes)


@pytest.mark.parametrize("rule", RULES)
def test_the_modules_keep_the_rules(rule: Callable[[Sources], list[str]]) -> None:
    assert rule(COMPILED) == []


def test_no_class_has_a_relative_on_the_other_side() -> None:
    assert foreign_kin(COMPILED, OTHERS) == []


def test_what_is_known_by_its_code_stays_python() -> None:
    names = known_by_code(OTHERS["flask_realtime/server/work.py"])
    assert {"dispatch", "handlers", "tasks"} <= names
    assert {f"flask_realtime/server/{name}.py" for name in names}.isdisjoint(compiling.MODULES)


def test_greenlets_that_are_lent_begin_in_python() -> None:
    beginnings = ("loop/greenlet_pool.py", "hosts/connection_greenlets.py")
    assert {f"flask_realtime/{name}" for name in beginnings} <= OTHERS.keys()


RECURSIVE = [
    "def f(x): return [f(y) for y in x]",
    "def f(x): return g(x)\ndef g(x): return f(x)",
    "class A:\n    def f(self): self.g()\n    def g(self): self.f()",
]


@pytest.mark.parametrize("text", RECURSIVE)
def test_recursion_is_found(text: str) -> None:
    assert recursions(sources(text))


def test_calls_that_return_are_no_recursion() -> None:
    assert not recursions(sources("def f(x): return g(x) + g(x)\ndef g(x): return len(x)"))


@pytest.mark.parametrize("base", ["OSError", "dict[str, int]", "engine.Session"])
def test_a_foreign_base_is_found(base: str) -> None:
    assert foreign_kin(sources(f"class A({base}): ..."), {})


def test_a_foreign_subclass_is_found() -> None:
    compiled = sources("class A: ...\nclass B(A, Exception): ...")
    assert not foreign_kin(compiled, {"y.py": ast.parse("from .z import C\nclass D(C): ...")})
    assert foreign_kin(compiled, {"y.py": ast.parse("from .x import A\nclass D(A): ...")})


def test_a_slice_that_may_be_reversed_is_found() -> None:
    assert reversible_slices(sources("data[begin : len(data) - rest]"))
    assert not reversible_slices(sources("data[begin : begin + length], data[:-1]"))


def test_a_constructor_that_is_bypassed_is_found() -> None:
    assert bypassed_constructors(sources("other = Fields.__new__(Fields)"))
    assert not bypassed_constructors(sources("_new_packet = tuple.__new__"))


@pytest.mark.parametrize("inner", ["def g(): ...", "return lambda: x"])
def test_a_function_inside_another_is_found(inner: str) -> None:
    assert nested_functions(sources(f"def f(x):\n    {inner}"))
    assert not nested_functions(sources("def f(): ...\ndef g(): ..."))


def test_a_cause_that_would_be_lost_is_found() -> None:
    assert lost_causes(sources("raise ValueError() from error"))
    assert not lost_causes(sources("raise caused(ValueError(), error) from error"))


# --- when --------------------------------------------------------------------


def test_nothing_is_compiled_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(compiling.VARIABLE, raising=False)
    assert (compiling.extensions(), compiling.requirements()) == ([], [])


def test_builds_of_other_lists_of_modules_share_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(compiling.VARIABLE, raising=False)
    assert compiling.options() == {}
    monkeypatch.setenv(compiling.VARIABLE, "1")
    first = compiling.options()
    monkeypatch.setattr(compiling, "MODULES", compiling.MODULES[1:])
    assert compiling.options() != first


def test_what_is_asked_for_has_its_compiler_as_a_requirement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(compiling.VARIABLE, "1")
    monkeypatch.setattr(sys, "argv", ["setup.py", "egg_info"])
    assert compiling.extensions() == []
    assert [name for name in compiling.requirements() if name.startswith("mypy")]


def test_an_editable_installation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiling.VARIABLE, "1")
    monkeypatch.setattr(sys, "argv", ["setup.py", "editable_wheel"])
    with pytest.raises(SystemExit, match="editable"):
        compiling.extensions()

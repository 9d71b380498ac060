"""The package keeps its rules, and each checker of architecture.py can find a violation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import architecture as rules

PACKAGE = Path(__file__).resolve().parent.parent / "flask_realtime"

Checker = Callable[[Path], list[str]]
Tree = dict[str, str]


def findings(checker: Checker, folder: Path, files: Tree) -> list[str]:
    """Run a checker over files written to ``folder/flask_realtime``; return "file:line" of each."""
    package = folder / "flask_realtime"
    for name, source in files.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    return [line.split(" ")[0].removeprefix("flask_realtime/") for line in checker(package)]


@pytest.mark.parametrize("checker", rules.CHECKERS, ids=lambda checker: checker.__name__)
def test_the_package_keeps_every_rule(checker: Checker) -> None:
    found = checker(PACKAGE)
    assert not found, "\n" + "\n".join(found)


def test_the_checks_see_every_layer_of_the_package() -> None:
    seen = {rules.LAYERS.get(module.layer) for module in rules.modules(PACKAGE)}
    assert seen >= set(range(rules.FACADE + 1))


def test_a_folder_without_python_files_is_an_error_and_not_a_success(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rules.modules(tmp_path)


# What each layer may import, by file and source line.
ALLOWED_IMPORTS: list[tuple[str, str]] = [
    ("errors.py", "import enum"),
    ("codec/payload.py", "from ..errors import PacketError"),
    ("codec/payload.py", "from . import packet"),
    ("parsers.py", "from .codec.payload import encode"),
    ("engine/session.py", "import gevent, time"),
    ("adapters/memory.py", "from flask_realtime.codec import payload"),
    ("server/socket.py", "from ..adapters import memory"),
    ("server/socket.py", "from flask_realtime.engine.session import Session"),
    ("wsgi.py", "from .serving import run"),
    ("extension.py", "from flask import Flask"),
    ("__init__.py", "from .extension import Realtime"),
]

FORBIDDEN_IMPORTS: list[tuple[str, str]] = [
    ("errors.py", "import werkzeug.exceptions"),
    ("errors.py", "from .codec import payload"),
    ("codec/payload.py", "import gevent.event"),
    ("codec/payload.py", "from time import monotonic"),
    ("codec/payload.py", "import json, socket"),
    ("codec/payload.py", "from ..engine.session import Session"),
    ("parsers.py", "from .server import socket"),
    ("engine/session.py", "from ..adapters import memory"),
    ("engine/session.py", "from ..server.socket import Socket"),
    ("engine/session.py", "from flask import request"),
    ("adapters/memory.py", "from flask_realtime import engine"),
    ("adapters/memory.py", "import flask_realtime.engine.session as session"),
    ("server/socket.py", "from .. import wsgi"),
    ("server/socket.py", "from flask_realtime import Realtime"),
    ("server/socket.py", "import flask_realtime"),
    ("wsgi.py", "from . import Realtime"),
    ("server/socket.py", "if TYPE_CHECKING: from ..wsgi import Middleware"),
    ("server/socket.py", "def run(): from ..serving import run"),
    ("server/socket.py", "import_module('flask_realtime.serving')"),
    ("server/socket.py", "importlib.import_module('..serving', __package__)"),
]

FOLDERS = {"codec", "loop", "engine", "adapters", "server", "hosts"}
SKELETON: Tree = {
    f"{name}/__init__.py" if name in FOLDERS else f"{name}.py": "" for name in rules.LAYERS
}


@pytest.mark.parametrize(("file", "line"), ALLOWED_IMPORTS)
def test_a_module_imports_what_is_below_it(tmp_path: Path, file: str, line: str) -> None:
    assert findings(rules.layering, tmp_path, SKELETON | {file: line}) == []


@pytest.mark.parametrize(("file", "line"), FORBIDDEN_IMPORTS)
def test_a_module_never_imports_what_is_above_it(tmp_path: Path, file: str, line: str) -> None:
    tree = SKELETON | {file: f"# Head.\n{line}\n"}
    assert findings(rules.layering, tmp_path, tree) == [f"{file}:2"]


ROOM_IMPORTS: list[tuple[str, str, bool]] = [
    ("adapters/wire/node.py", "from .values import pack", True),
    ("adapters/wire/node.py", "from ..values import Target", True),
    ("adapters/wire/node.py", "import gevent", False),
    ("adapters/wire/node.py", "from ..cluster.bus import Bus", False),
    ("adapters/wire/node.py", "from ..base import Adapter", False),
    ("adapters/values.py", "from .base import Adapter", False),
    ("adapters/base.py", "from .values import Target", True),
    ("adapters/base.py", "from .memory_log import PacketLog", False),
    ("adapters/memory_log.py", "from .base import Adapter", False),
    ("adapters/memory.py", "from .values import Target", True),
    ("adapters/memory.py", "from .cluster import bus", False),
    ("adapters/cluster/bus.py", "from ..wire import node", True),
    ("adapters/cluster/bus.py", "from redis import Redis", False),
    ("adapters/cluster/bus.py", "from ..redis.link import RedisLink", False),
    ("adapters/cluster/bus.py", "from ..urls import adapter_factory", False),
    ("adapters/redis/link.py", "from redis import Redis", True),
    ("adapters/redis/client.py", "from ...extras import optional", True),
    ("adapters/redis/client.py", "from .link import RedisLink", False),
    ("adapters/redis/link.py", "from ..urls import adapter_factory", False),
    ("adapters/redis/link.py", "from ..cluster.bus import Bus", True),
    ("loop/inbox.py", "from ..engine.session import Session", False),
    ("loop/inbox.py", "from ..codec.message import Message", False),
    ("loop/inbox.py", "from ..parsers import Parser", False),
    ("loop/inbox.py", "from ..transitions import check_move", True),
    ("loop/inbox.py", "import gevent", True),
    ("engine/transports/polling.py", "from ...codec.message import Message", True),
    ("engine/transports/polling.py", "from ..requests.polls import PollRequests", False),
    ("engine/requests/polls.py", "from ..transports.polling import PollingTransport", True),
    ("engine/requests/polls.py", "from ..engine import Engine", False),
    ("engine/requests/polls.py", "if TYPE_CHECKING: from ..engine import Engine", True),
    ("engine/requests/polls.py", "if True: from ..engine import Engine", False),
]


@pytest.mark.parametrize(("file", "line", "is_allowed"), ROOM_IMPORTS)
def test_a_room_imports_only_from_rooms_below_it(
    tmp_path: Path, file: str, line: str, is_allowed: bool
) -> None:
    tree = SKELETON | {file: f"# Head.\n{line}\n"}
    found = findings(rules.layering, tmp_path, tree) + findings(rules.rooms, tmp_path, tree)
    assert found == ([] if is_allowed else [f"{file}:2"])


def test_a_module_without_a_layer_asks_to_be_placed(tmp_path: Path) -> None:
    assert findings(rules.layering, tmp_path, SKELETON | {"helpers.py": ""}) == ["helpers.py:1"]
    assert "LAYERS" in rules.layering(tmp_path / "flask_realtime")[0]


def test_a_file_and_a_function_have_a_greatest_length(tmp_path: Path) -> None:
    body = "    pass\n" * (rules.FUNCTION_LINES - 1)
    long_docstring = '    """One.\n\n    Three.\n    """\n'
    tree = {
        "full.py": "\n" * rules.FILE_LINES,
        "over.py": "\n" * (rules.FILE_LINES + 1),
        "short.py": f"def short():\n{long_docstring}{body}",
        "long.py": f"class A:\n  async def long(self):\n{body}    pass\n",
    }
    assert findings(rules.sizes, tmp_path, tree) == ["long.py:2", "over.py:1"]


CLEAN_AND_DIRTY: list[tuple[Checker, str, list[int]]] = [
    # Exceptions
    (rules.swallowed_exceptions, "try: f()\nexcept Exception: log()", []),
    (rules.swallowed_exceptions, "try: f()\nexcept BaseException:\n  undo()\n  raise", []),
    (rules.swallowed_exceptions, "try: f()\nexcept BaseException as e: raise Wrong from e", []),
    (rules.swallowed_exceptions, "try: f()\nexcept: raise", [2]),
    (rules.swallowed_exceptions, "try: f()\nexcept BaseException: log()", [2]),
    (rules.swallowed_exceptions, "try: f()\nexcept (OSError, builtins.BaseException): pass", [2]),
    (rules.swallowed_exceptions, "try: f()\nexcept BaseException:\n  if a: raise\n  log()", [2]),
    # pickle and print
    (rules.unsafe_and_noisy, "import json\nlog.print(1)", []),
    (rules.unsafe_and_noisy, "import pickle", [1]),
    (rules.unsafe_and_noisy, "def f():\n  from pickle import loads", [2]),
    (rules.unsafe_and_noisy, "if debug:\n  print('here')", [2]),
    # Private names
    (rules.private_access, "class A:\n  def f(self): self._x = super()._x", []),
    (rules.private_access, "class A:\n  def f(self): return A._made", []),
    (rules.private_access, "class A:\n  def f(self): return lambda: self._x", []),
    (rules.private_access, "class A:\n  @classmethod\n  def f(cls): return cls._x", []),
    (rules.private_access, "class A:\n  def _f(self): pass\nTABLE = {1: A._f}", []),
    (rules.private_access, "point._replace(x=1).__class__", []),
    (rules.private_access, "from . import _pure", []),
    (rules.private_access, "class A:\n  def f(self, other): return other._x", [2]),
    (rules.private_access, "class A:\n  def f(self): return self.b._x", [2]),
    (rules.private_access, "class A:\n  def f(self): return self._b._x", [2]),
    (rules.private_access, "from .b import A\nA._x", [2]),
    (rules.private_access, "make()._x = 1", [1]),
    (rules.private_access, "getattr(other, '_x', None)", [1]),
    (rules.private_access, "from .pure import _helper", [1]),
    # Docstrings
    (rules.missing_docstrings, "def f():\n  'What.'\n  def inner(): pass", []),
    (rules.missing_docstrings, "def _f(): pass\nclass _A:\n  def f(self): pass", []),
    (rules.missing_docstrings, "class A:\n  'What.'\n  def __init__(self): pass", []),
    (rules.missing_docstrings, "class A:\n  'What.'\n  @overload\n  def f(self): ...", []),
    (rules.missing_docstrings, "class A:\n  'What.'\n  @x.setter\n  def x(self, to): ...", []),
    (rules.missing_docstrings, "def f(): pass", [1]),
    (rules.missing_docstrings, "if new:\n  def f(): pass", [2]),
    (rules.missing_docstrings, "class A: pass", [1]),
    (rules.missing_docstrings, "class A:\n  'What.'\n  def f(self): pass", [3]),
    (rules.missing_docstrings, "class A:\n  'What.'\n  class B:\n    def f(self): pass", [3, 4]),
    # The head of a file
    (rules.missing_heads, '"""Packets."""\n', []),
    (rules.missing_heads, "# Packets: bytes in, values out.\nimport json\n", []),
    (rules.missing_heads, "import json\n", [1]),
    (rules.missing_heads, "#!/usr/bin/env python\nimport json\n", [1]),
]


@pytest.mark.parametrize(("checker", "source", "lines"), CLEAN_AND_DIRTY)
def test_a_checker_reports_the_lines_of_a_violation_and_nothing_else(
    tmp_path: Path, checker: Checker, source: str, lines: list[int]
) -> None:
    tree = {"a.py": source, "_pure.py": "# Head.\n"}
    assert findings(checker, tmp_path, tree) == [f"a.py:{line}" for line in lines]


def test_an_override_may_leave_the_docstring_to_its_base_class(tmp_path: Path) -> None:
    documented = (
        "class Base:\n  'What.'\n  def f(self):\n    'What.'\n  def g(self):\n    'What.'\n"
    )
    tree = {
        "base.py": documented,
        "middle.py": "class Middle(base.Base):\n  'What.'\n",
        "memory.py": "class Memory(Middle):\n  'What.'\n  def f(self): pass\n  def h(self): pass\n",
    }
    assert findings(rules.missing_docstrings, tmp_path, tree) == ["memory.py:4"]


def test_every_longer_module_has_a_test_file_of_its_name(tmp_path: Path) -> None:
    long, short = "\n" * (rules.UNTESTED_LINES + 1), "\n" * rules.UNTESTED_LINES
    tree = {
        "errors.py": short,
        "wsgi.py": long,
        "codec/packet.py": long,
        "codec/websocket.py": long,
        "engine/websocket.py": long,
        "engine/session.py": long,
        "engine/__init__.py": long,
    }
    for name in ("shells/test_wsgi.py", "codec/test_packet.py", "codec/test_websocket.py"):
        test = tmp_path / "tests" / name
        test.parent.mkdir(parents=True, exist_ok=True)
        test.touch()
    expected = ["engine/session.py:1", "engine/websocket.py:1"]
    assert findings(rules.untested_modules, tmp_path, tree) == expected

"""The names of the package: each is there, and none costs more than it needs."""

from __future__ import annotations

import ast
import dataclasses
import pydoc
import re
import subprocess
import sys

import pytest

import flask_realtime
from flask_realtime.options import Options


def run(source: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def missing(*packages: str) -> str:
    """Source that makes packages missing."""
    return f"import sys; sys.modules.update(dict.fromkeys({packages!r}))\n"


@pytest.mark.parametrize("name", ["Server", "Realtime"])
def test_help_shows_each_option_with_its_default(name: str) -> None:
    text = pydoc.plain(pydoc.render_doc(getattr(flask_realtime, name)))
    found = re.findall(r"``(\w+)=(.+)``\n[ |]+\S", text)
    shown = {option: ast.literal_eval(default) for option, default in found}
    assert shown == dataclasses.asdict(Options())


@pytest.mark.parametrize("name", flask_realtime.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(flask_realtime, name).__name__ == name
    assert name in dir(flask_realtime)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'flask_realtime' has no attribute 'Sever'"):
        flask_realtime.Sever  # noqa: B018


def test_the_version_is_there_without_importing_anything_else() -> None:
    source = "import sys, flask_realtime as f; print(f.__version__, 'flask' in sys.modules)"
    assert run(source) == f"{flask_realtime.__version__} False"
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", flask_realtime.__version__)


def test_names_are_imported_when_they_are_used() -> None:
    source = "import sys, flask_realtime; print([n for n in sys.modules if 'realtime.' in n])"
    assert run(source) == "[]"


@pytest.mark.parametrize("adapter", ["redis", "sharded", "streams"])
def test_an_emitter_needs_neither_gevent_nor_redis_nor_flask(adapter: str) -> None:
    source = f"""
import sys
from flask_realtime import Emitter
class Client:
    def execute_command(self, *words): print(words[0])
emitter = Emitter(Client(), adapter={adapter!r})
emitter.to("red").emit("hello", {{"a": b"x"}})
unwanted = ("gevent", "greenlet", "redis", "flask", "werkzeug")
print([name for name in unwanted if name in sys.modules])
"""
    word = {"redis": "PUBLISH", "sharded": "SPUBLISH", "streams": "XADD"}[adapter]
    assert run(source).splitlines() == [word, "[]"]


@pytest.mark.parametrize("package", ["redis", "msgpack"])
@pytest.mark.parametrize(
    "use",
    [
        "Emitter('redis://localhost')",
        "RedisAdapter('redis://localhost')",
        "ShardedRedisAdapter('redis://localhost')",
        "RedisStreamsAdapter('redis://localhost')",
        "Server(adapter='redis+streams://localhost')",
    ],
)
def test_without_its_package_a_name_tells_what_to_install(package: str, use: str) -> None:
    source = f"""
from gevent import monkey; monkey.patch_all()
from flask_realtime import *
try: {use}
except ImportError as error: print(error)
"""
    text = run(missing(package) + source)
    assert text == f"this needs the package {package!r}: pip install 'flask_realtime[redis]'"


def test_without_redis_the_rest_works() -> None:
    source = "from flask_realtime import *; print(Server().of('/').adapter.server_count())"
    assert run(missing("redis", "msgpack") + source) == "1"

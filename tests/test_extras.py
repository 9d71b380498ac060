"""Optional packages: there, or an error that says what to install."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from flask_realtime.extras import optional


def test_a_package_that_is_there_is_returned() -> None:
    assert optional("json", "redis") is json
    assert optional("json.decoder", "redis") is json.decoder


@pytest.mark.parametrize("name", ["not_there", "not_there.inside"])
def test_a_package_that_is_missing_is_named_with_its_extra(name: str) -> None:
    with pytest.raises(ImportError, match=r"'not_there': pip install 'flask_realtime\[redis\]'"):
        optional(name, "redis")


def test_a_package_that_misses_another_one_says_so_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import its_own_dependency\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="its_own_dependency"):
        optional("broken_package", "redis")
    sys.modules.pop("broken_package", None)

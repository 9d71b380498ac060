"""Every option has a type for editors and checkers."""

from __future__ import annotations

import dataclasses

from flask_realtime.options import DeflateSettings, Options, RecoveryOptions
from flask_realtime.server import option_types


def test_each_option_of_a_server_has_a_type() -> None:
    assert frozenset(option_types.ServerOptions.__annotations__) == Options.names()


def test_each_setting_of_an_option_has_a_type() -> None:
    for typed, values in (
        (option_types.RecoverySettings, RecoveryOptions),
        (option_types.DeflateOptions, DeflateSettings),
    ):
        names = {field.name for field in dataclasses.fields(values)}
        assert set(typed.__annotations__) == names

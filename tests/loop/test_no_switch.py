"""A block that relies on running alone is checked in tests."""

from __future__ import annotations

import gevent
import pytest

from flask_realtime.loop.no_switch import GreenletSwitched, enforce_no_switch, no_switch


def test_a_block_that_switches_fails_where_the_check_is_enforced() -> None:
    with enforce_no_switch(), pytest.raises(GreenletSwitched, match="2 times"), no_switch():
        gevent.sleep(0)


def test_a_block_that_does_not_switch_passes() -> None:
    with enforce_no_switch(), no_switch():
        done = gevent.spawn(lambda: None)
    done.join()


def test_what_the_block_raises_itself_is_not_hidden() -> None:
    def fail() -> None:
        with no_switch():
            gevent.sleep(0)
            raise ValueError("mine")

    with enforce_no_switch(), pytest.raises(ValueError, match="mine"):
        fail()


def test_switches_before_and_after_a_block_do_not_count() -> None:
    with enforce_no_switch():
        gevent.sleep(0)
        with no_switch():
            pass
        gevent.sleep(0)


def test_elsewhere_a_block_costs_nothing_and_checks_nothing() -> None:
    with no_switch():
        gevent.sleep(0)
    assert no_switch() is no_switch()

"""Threads beside one another: what both did, and what either raised."""

import threading

import pytest

from cnnviz.errors import InputError
from cnnviz.files import alongside, threads


def test_both_run_at_once_and_are_through_on_leaving() -> None:
    here, there = threading.Event(), threading.Event()
    done: list[str] = []

    def other() -> None:
        there.set()
        assert here.wait(30)
        done.append("other")

    with alongside(other):
        assert there.wait(30)  # one waits for the other: neither could come first
        here.set()
        done.append("body")
    assert sorted(done) == ["body", "other"]


def test_what_either_raises_is_raised_once_the_other_is_through() -> None:
    done: list[str] = []

    def fails() -> None:
        raise InputError("no room in there")

    with pytest.raises(InputError, match="no room"), alongside(fails):
        done.append("body")
    assert done == ["body"]
    with pytest.raises(ValueError, match="body"), alongside(lambda: done.append("other")):
        raise ValueError("body")
    assert done == ["body", "other"]


def test_every_part_is_done_and_the_first_error_raised() -> None:
    done: list[int] = []
    threads(done.append, range(20))
    assert sorted(done) == list(range(20))
    with pytest.raises(ZeroDivisionError):
        threads(lambda part: 1 // part, [2, 0, 1])

"""Places that the bank's processes share."""

from __future__ import annotations

import os

from tests.conformance.bank.slots import Slots


def test_no_more_are_taken_than_there_are_and_one_given_back_is_free():
    """In one process."""
    slots = Slots(2)
    assert [slots.take(), slots.take(), slots.take()] == [True, True, False]
    slots.give()
    assert [slots.take(), slots.take()] == [True, False]


def test_a_place_taken_by_another_process_is_gone_until_it_gives_it_back():
    """The number is one for all."""
    slots = Slots(1)
    pid = os.fork()
    if not pid:
        os._exit(not slots.take())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not slots.take()
    pid = os.fork()
    if not pid:
        slots.give()
        os._exit(0)
    os.waitpid(pid, 0)
    assert slots.take()

"""Milliseconds since 1970 and aware instants, each into the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perpkit.core import clock
from perpkit.core.clock import EPOCH, from_ms, to_ms
from perpkit.core.errors import DecodeError

LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
FIRST = -((EPOCH - datetime.min.replace(tzinfo=UTC)) // timedelta(milliseconds=1))


@given(st.integers(FIRST, LAST))
@example(0)
@example(-1)
@example(4095)
@example(4096)
@example(FIRST)
@example(LAST)
def test_milliseconds_become_the_exact_instant_and_back(milliseconds: int):
    """To the millisecond, before 1970 too, whatever instants were made before."""
    moment = from_ms(milliseconds)
    assert moment == EPOCH + timedelta(milliseconds=milliseconds)
    assert moment.tzinfo is UTC
    assert to_ms(moment) == milliseconds


def test_what_is_remembered_of_instants_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """A stream that runs for years keeps no more than one of minutes, and is still right."""
    monkeypatch.setattr(clock, "_starts", {})
    for hour in range(3 * clock._MOST_STARTS):
        assert from_ms(hour * 3_600_000) == EPOCH + timedelta(hours=hour)
        assert len(clock._starts) <= clock._MOST_STARTS


def test_a_fraction_of_a_millisecond_is_refused():
    """A float has lost digits already."""
    with pytest.raises(TypeError):
        from_ms(1_760_000_000_000.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("milliseconds", [LAST + 1, FIRST - 1, 10**18, 10**30, -(10**30)])
def test_a_number_that_is_no_date_is_named_and_can_not_be_read(milliseconds: int):
    """A venue that changes to nanoseconds is told as an answer that can't be read, not as a failure of our own."""
    from_ms(LAST)
    from_ms(FIRST)
    with pytest.raises(DecodeError, match=f"{milliseconds} ms since 1970 is no date"):
        from_ms(milliseconds)

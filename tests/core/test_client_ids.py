"""Client order ids: they fit the venue's rule, never repeat, and sort by when they were made."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.core.capabilities import ClientOrderIdRule
from perpkit.core.client_ids import ClientOrderIds
from perpkit.core.errors import ConfigError
from tests.core.clocks import ManualClock

RULES = {
    "36 characters": ClientOrderIdRule(max_length=36),
    "64 characters": ClientOrderIdRule(max_length=64, pattern=".+"),
    "18 characters": ClientOrderIdRule(max_length=18),
    "lower case": ClientOrderIdRule(max_length=32, pattern="[a-z0-9]+"),
    "32 hex digits after 0x": ClientOrderIdRule(max_length=34, pattern="0x[0-9a-f]{32}"),
    "upper-case hex": ClientOrderIdRule(max_length=32, pattern="[0-9A-F]{32}"),
    "digits": ClientOrderIdRule(max_length=20, pattern="[0-9]+"),
    "48-bit number": ClientOrderIdRule(max_length=15, pattern="[0-9]+", numeric_max=2**48 - 1),
    "63-bit number": ClientOrderIdRule(max_length=19, pattern="[0-9]+", numeric_max=2**63 - 1),
    "48-bit number, or a text": ClientOrderIdRule(
        max_length=64, pattern="[!-~]+", numeric_max=2**48 - 1, maps_text=True
    ),
    "no leading zero": ClientOrderIdRule(max_length=19, pattern="[1-9][0-9]*", numeric_max=2**63 - 1),
}
rules = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())


def order_of(rule: ClientOrderIdRule, ids: list[str]) -> list[str]:
    """Sort ids as the venue's own kind of id sorts."""
    numbers = rule.numeric_max is not None or ("[0-9]" in rule.pattern and "0x" not in rule.pattern)
    return sorted(ids, key=int) if numbers else sorted(ids)


@rules
def test_every_id_fits_the_rule_is_new_and_sorts_after_those_before(rule: ClientOrderIdRule):
    """In a burst within one millisecond as well as over years."""
    clock = ManualClock()
    make = ClientOrderIds(rule, clock=clock, rng=random.Random(7))
    ids = []
    for pause in [0.0] * 500 + [0.001, 3600.0, 86400.0 * 365 * 30, 0.0]:
        clock.advance(pause)
        ids.append(make.next())
    assert [problem for each in ids if (problem := rule.problem(each))] == []
    assert len(set(ids)) == len(ids)
    assert order_of(rule, ids) == ids


@rules
@given(seed=st.integers(), moment=st.datetimes(datetime(2025, 1, 1), datetime(2094, 1, 1)))  # noqa: DTZ001
def test_ids_fit_at_any_time_and_with_any_chance(rule: ClientOrderIdRule, seed: int, moment: datetime):
    """From the first day to the last that the layout has room for."""
    make = ClientOrderIds(rule, clock=ManualClock(moment.replace(tzinfo=UTC)), rng=random.Random(seed))
    assert rule.problem(make.next()) is None


@rules
def test_a_restart_makes_other_ids(rule: ClientOrderIdRule):
    """Even with the same chance, the clock has moved on."""
    clock = ManualClock()
    before = [ClientOrderIds(rule, clock=clock, rng=random.Random(1)).next()]
    clock.advance(0.001)
    assert ClientOrderIds(rule, clock=clock, rng=random.Random(1)).next() not in before


def test_two_processes_in_the_same_millisecond_make_other_ids():
    """Chance tells them apart where there is room for it."""
    clock = ManualClock()
    rule = RULES["36 characters"]
    ids = [ClientOrderIds(rule, clock=clock, rng=random.Random(seed)).next() for seed in range(1000)]
    assert len(set(ids)) == 1000


def test_short_numeric_ids_are_told_apart_by_lanes():
    """48 bits less 41 for the time leave 7: 128 processes, each with a lane of its own."""
    clock = ManualClock()
    rule = RULES["48-bit number"]
    makers = [ClientOrderIds(rule, clock=clock, lane=lane) for lane in range(128)]
    assert {maker.lane_bits for maker in makers} == {7}
    ids = [maker.next() for _ in range(5) for maker in makers]
    assert len(set(ids)) == len(ids)
    with pytest.raises(ConfigError, match="0 to 127"):
        ClientOrderIds(rule, clock=clock, lane=128)


def test_a_clock_that_goes_back_repeats_nothing():
    """The generator counts on from where it was."""
    clock = ManualClock()
    make = ClientOrderIds(RULES["48-bit number"], clock=clock, rng=random.Random(3))
    ids = [make.next()]
    clock._now -= timedelta(hours=1)
    ids += [make.next() for _ in range(3)]
    assert sorted(ids, key=int) == ids
    assert len(set(ids)) == 4


def test_a_prefix_is_part_of_the_id_and_of_its_length():
    """Whoever wants to recognise their own may; the rule holds for the whole."""
    rule = RULES["18 characters"]
    made = ClientOrderIds(rule, clock=ManualClock(), prefix="bot1-").next()
    assert made.startswith("bot1-")
    assert rule.problem(made) is None


def test_a_rule_that_maps_texts_takes_both_and_makes_numbers_unless_there_is_a_prefix():
    """A venue's own numbers need no mapping, so they are what perpkit makes by itself."""
    rule = RULES["48-bit number, or a text"]
    assert [rule.problem(each) for each in ("1001", "007", "bot-1", str(2**60))] == [None] * 4
    assert "0 characters" in (rule.problem("") or "")
    assert int(ClientOrderIds(rule, clock=ManualClock()).next()) <= 2**48 - 1
    prefixed = ClientOrderIds(rule, clock=ManualClock(), prefix="bot1-").next()
    assert prefixed.startswith("bot1-")
    assert rule.problem(prefixed) is None


@pytest.mark.parametrize(
    ("rule", "prefix"),
    [
        (ClientOrderIdRule(max_length=6), ""),
        (ClientOrderIdRule(max_length=20, pattern="[0-9]+", numeric_max=2**32), ""),
        (ClientOrderIdRule(max_length=36), "a" * 36),
        (ClientOrderIdRule(max_length=36, pattern="[a-z0-9]+"), "BOT"),
        (ClientOrderIdRule(max_length=36, pattern="[xyz]+"), ""),
    ],
    ids=["too short", "too few numbers", "prefix fills it", "prefix not accepted", "no such alphabet"],
)
def test_a_rule_without_room_is_refused_at_once(rule: ClientOrderIdRule, prefix: str):
    """The message says what to do instead."""
    with pytest.raises(ConfigError, match="client_order_id of your own"):
        ClientOrderIds(rule, clock=ManualClock(), prefix=prefix)

"""The short ways of finding an order and of judging its next state say what the long ways say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from perpkit.core import lifecycle
from perpkit.core.errors import RejectReason
from perpkit.core.lifecycle import OrderTracker
from perpkit.core.models import Fill, Order, OrderStatus, OrderType, Side

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(seconds=1)
times = st.integers(0, 2).map(lambda seconds: START + timedelta(seconds=seconds))


@st.composite
def tellings(draw: st.DrawFn) -> Order:
    """One telling of one order, complete or sparse, as venues tell them."""
    return Order.trusted(
        market_id="BTC-USD-PERP@paradex",
        venue_order_id=draw(st.sampled_from([None, "v1"])),
        client_order_id=draw(st.sampled_from([None, "c1"])),
        side=Side.BUY,
        type=OrderType.LIMIT,
        status=draw(st.sampled_from(list(OrderStatus))),
        size=Decimal(draw(st.integers(1, 3))),
        filled_size=Decimal(draw(st.integers(0, 3))),
        price=Decimal(draw(st.integers(1, 2))),
        average_price=draw(st.sampled_from([None, Decimal(1), Decimal(2)])),
        reject_reason=draw(st.sampled_from([None, RejectReason.MARGIN])),
        status_message=draw(st.sampled_from([None, "a word"])),
        created_at=draw(st.none() | times),
        updated_at=draw(st.none() | times),
        sequence=draw(st.sampled_from([None, 1, 2, 3])),
        ts_received=draw(times),
    )


CHANGING = ["status", "filled_size", "average_price", "size", "price", "reject_reason", "sequence", "ts_received"]


@settings(max_examples=1000, deadline=None)
@given(
    known=tellings(),
    other=tellings(),
    changed=st.sets(st.sampled_from(CHANGING), max_size=3),
    numbered=st.booleans(),
)
def test_the_short_way_says_what_the_long_way_says(known: Order, other: Order, changed: set[str], numbered: bool):
    """Wherever an update is taken as it is, field by field judging would have given the same order."""
    # Venues without a number of their own tell by the time which of two states is the newer.
    first, then = ({"sequence": 1}, {"sequence": 2}) if numbered else ({"updated_at": START}, {"updated_at": LATER})
    first, then = {"sequence": None, **first}, {"sequence": None, **then}
    known = Order.trusted(**{**known.__dict__, **first})
    changes = {name: getattr(other, name) for name in {*changed, "status"} if numbered or name != "sequence"}
    seen = Order.trusted(**{**known.__dict__, **then, **changes})
    if not lifecycle._simply_follows(known, seen):
        return
    event("taken as it is")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "_simply_follows", lambda *_: False)
        assert lifecycle.merge(known, seen) == seen


def test_the_short_way_is_taken_by_an_ordinary_update():
    """Taken, open and filled, as a stream tells it: no state of them needs the long way."""
    first = Order.trusted(
        market_id="BTC-USD-PERP@paradex",
        venue_order_id="v1",
        side=Side.BUY,
        type=OrderType.LIMIT,
        status=OrderStatus.PENDING,
        size=Decimal(1),
        price=Decimal(10),
        sequence=1,
        created_at=START,
        updated_at=START,
        ts_received=START,
    )
    standing = first.replace(status=OrderStatus.OPEN, sequence=2)
    filled = first.replace(status=OrderStatus.FILLED, sequence=3, filled_size=Decimal(1), average_price=Decimal(10))
    assert lifecycle._simply_follows(first, standing)
    assert lifecycle._simply_follows(standing, filled)
    assert not lifecycle._simply_follows(filled, standing)
    timed = [
        order.replace(sequence=None, updated_at=START + timedelta(seconds=number))
        for number, order in enumerate((first, standing, filled))
    ]
    assert lifecycle._simply_follows(timed[0], timed[1])
    assert lifecycle._simply_follows(timed[1], timed[2])
    assert not lifecycle._simply_follows(timed[2], timed[1])
    assert not lifecycle._simply_follows(timed[0], timed[1].replace(updated_at=START))
    assert not lifecycle._simply_follows(timed[0], timed[1].replace(sequence=1))


class _LongWay(OrderTracker):
    """Looks for the entry as if every telling could join two."""

    _find = OrderTracker._find_or_join


ids = st.sampled_from([None, "1", "2", "3"])


@st.composite
def named_events(draw: st.DrawFn) -> Order | Fill:
    """A telling or a fill under any pair of ids, the same one for both kinds too."""
    venue_order_id, client_order_id = draw(ids), draw(ids)
    if draw(st.booleans()):
        telling = draw(tellings())
        return Order.trusted(
            **{**telling.__dict__, "venue_order_id": venue_order_id, "client_order_id": client_order_id}
        )
    return Fill.trusted(
        fill_id=draw(st.sampled_from(["f1", "f2", "f3"])),
        market_id="BTC-USD-PERP@paradex",
        venue_order_id=venue_order_id,
        client_order_id=client_order_id,
        side=Side.BUY,
        price=Decimal(10),
        size=Decimal(1),
        fee=Decimal(0),
        fee_asset="USDC",
        ts_venue=START,
        ts_received=START,
    )


@settings(max_examples=250, deadline=None)
@given(events=st.lists(named_events(), max_size=15), keep=st.sampled_from([1, 2, 100]))
def test_an_order_is_found_the_short_way_as_the_long_way_finds_it(events: list[Order | Fill], keep: int):
    """Whatever ids come together, in whatever order: each event is the same news, and the same is known after it."""
    short, long = OrderTracker(keep_closed=keep), _LongWay(keep_closed=keep)
    for each in events:
        if not (each.venue_order_id or each.client_order_id):
            continue
        if isinstance(each, Order):
            assert short.observe(each) == long.observe(each)
        else:
            assert short.observe_fill(each) == long.observe_fill(each)
        assert list(short) == list(long)
        assert short.get(each) == long.get(each)  # type: ignore[arg-type]  # a fill has the same two names

"""Orders at one moment, and orders after trouble: every nonce is good, and each order arrives once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import pytest

from perpkit.core.models import Order, OrderType, Side, TimeInForce
from perpkit_conformance.suite.trading import TRADES, Trader
from perpkit_conformance.target import Target

pytestmark = [TRADES, pytest.mark.usefixtures("signed_in")]


@pytest.mark.rule("nonces-survive-concurrency")
async def test_many_at_once_all_arrive(target: Target, trader: Trader) -> None:
    """Twenty orders sent together at one moment of a clock that stands still: twenty on the exchange."""
    intents = [trader.intent(price=trader.price("0.98") - number * trader.market.tick_size) for number in range(20)]
    results = await target.run(asyncio.gather(*(trader.attempt(each) for each in intents)))
    failed = [each for each in results if not isinstance(each, Order)]
    assert not failed, f"{len(failed)} of 20 concurrent orders failed, the first with {failed[0]!r}"
    prices = sorted(each.price for each in trader.truth.orders() if each.price is not None)
    assert prices == sorted(each.price for each in intents if each.price is not None)


@pytest.mark.rule("nonces-survive-concurrency")
@pytest.mark.parametrize("trouble", ["a rejection", "a 503", "a lost answer", "a restart", "the clock set back"])
async def test_trouble_with_one_order_does_not_stop_the_next(target: Target, trader: Trader, trouble: str) -> None:
    """After each kind of trouble orders pass as before, none twice."""
    venue = trader.venue
    await trader.place()
    if trouble == "a rejection":
        await trader.attempt(trader.intent(size=trader.size(trader.truth.summary().equity * 60)))
    elif trouble == "a 503":
        target.inject("place_order", "status", status=503)
        await trader.attempt(trader.intent())
    elif trouble == "a lost answer":
        target.inject("place_order", "drop_after")
        await trader.attempt(trader.intent())
    elif trouble == "a restart":
        # A process takes longer than this to start; nonces that are times must not need more.
        target.advance(timedelta(milliseconds=100))
        venue = await target.open()
    else:
        target.clock.error = timedelta(seconds=-2)
    before = len(trader.truth.orders())
    after = await Trader.of(target, venue)
    results = await target.run(asyncio.gather(*(after.attempt(after.intent()) for _ in range(5))))
    failed = [each for each in results if not isinstance(each, Order)]
    assert not failed, f"after {trouble} {len(failed)} of 5 orders failed, the first with {failed[0]!r}"
    assert len(trader.truth.orders()) == before + 5


@pytest.mark.rule("nonces-survive-concurrency")
@pytest.mark.needs("order_type:market")
async def test_concurrent_orders_of_both_sides_leave_the_ledgers_position(target: Target, trader: Trader) -> None:
    """Buys and sells at once: each is counted once."""
    sides = [Side.BUY] * 7 + [Side.SELL] * 4
    intents = [
        trader.intent(side, price=None, type=OrderType.MARKET)
        if number % 2
        else trader.intent(side, "1.001" if side is Side.BUY else "0.999", time_in_force=TimeInForce.IOC)
        for number, side in enumerate(sides)
    ]
    orders = await target.run(asyncio.gather(*(trader.send(each) for each in intents)))
    assert trader.position() == sum((each.side.sign * trader.true(each).filled_size for each in orders), Decimal(0))
    assert len({trader.true(each).id for each in orders}) == len(orders)


@pytest.mark.rule("nonces-survive-concurrency")
async def test_two_clients_of_one_key_send_side_by_side(target: Target, trader: Trader) -> None:
    """Ten orders of each, in turn, at one moment of a clock that stands still: all arrive, and none is sent twice."""
    other = await Trader.of(target, await target.open())
    for each in (trader, other):
        await each.place()
        target.advance(timedelta(seconds=1))
    before = len(trader.truth.orders())
    prices = [trader.price("0.98") - number * trader.market.tick_size for number in range(20)]
    clients = [trader, other] * 10
    with target.recordings.during() as part:
        results = await target.run(
            asyncio.gather(
                *(each.attempt(each.intent(price=price)) for each, price in zip(clients, prices, strict=True))
            )
        )
    failed = [each for each in results if not isinstance(each, Order)]
    assert not failed, f"{len(failed)} of 20 orders of two clients failed, the first with {failed[0]!r}"
    assert len(trader.truth.orders()) == before + 20
    place = target.profile.http_faults["place_order"]
    sent = [each for each in part.requests() if fnmatchcase(f"{each.method} {urlsplit(each.url).path}", place)]
    assert len(sent) == 20, f"20 orders of two clients took {len(sent)} requests: the two got into each other's way"

"""What the tests of streams share: each channel's models and name, and something happening that all of them tell."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.models import (
    Balance,
    BookDelta,
    BookSnapshot,
    Channel,
    Event,
    Fill,
    FundingPayment,
    FundingRate,
    Order,
    Position,
    Side,
    Ticker,
    Trade,
)
from perpkit_conformance.suite.calls import is_continuous
from perpkit_conformance.suite.trading import Trader
from perpkit_conformance.target import Watch

LIVE = timedelta(seconds=30)
"""An event that is not delayed by a fault comes within so much of the venue's time."""

KINDS: dict[Channel, tuple[type[Any], ...]] = {
    Channel.BOOK: (BookSnapshot, BookDelta),
    Channel.TRADES: (Trade,),
    Channel.TICKER: (Ticker,),
    Channel.FUNDING: (FundingRate,),
    Channel.ORDERS: (Order,),
    Channel.FILLS: (Fill,),
    Channel.POSITIONS: (Position,),
    Channel.BALANCES: (Balance,),
    Channel.FUNDING_PAYMENTS: (FundingPayment,),
}

CHANNELS = [pytest.param(each, id=each.value, marks=pytest.mark.needs(f"channel:{each}")) for each in Channel]


def topic(trader: Trader, channel: Channel) -> str:
    """Return what to subscribe to for the trader's market."""
    return channel.value if channel.is_private else f"{channel}:{trader.market.id}"


def events_of(watch: Watch, channel: Channel) -> list[Event]:
    """Return what a channel has told so far."""
    return [each for each in watch.events if isinstance(each, KINDS[channel])]


def stir(trader: Trader) -> None:
    """Let something happen that every channel has to tell."""
    target = trader.target
    target.submit(Side.BUY, trader.size(2000))
    target.submit(Side.BUY, trader.size(), price=trader.price("0.98"))
    target.control.set_price(trader.symbol, index=trader.price("1.0001"))
    target.control.set_funding_rate(trader.symbol, Decimal("0.0004"))
    pays_by_the_period = not is_continuous(target) and Channel.FUNDING_PAYMENTS in trader.venue.capabilities.channels
    spec = target.control.exchange.market(trader.symbol)
    target.advance(spec.funding_period if pays_by_the_period else timedelta(minutes=1))
    target.submit(Side.SELL, trader.size())


def fill_ids(watch: Watch) -> list[str]:
    """Return the ids of the fills that came, in their order; one that came twice is there twice."""
    return [each.fill_id for each in watch.of(Fill)]


async def every_fill_once(trader: Trader, watch: Watch, after: str) -> None:
    """Wait for the ledger's fills; fail with what is missing or double."""
    expected = {each.id for each in trader.truth.fills()}
    try:
        await watch.until(lambda: set(fill_ids(watch)) >= expected, "every fill", within=timedelta(minutes=3))
    except AssertionError as error:
        pytest.fail(f"after {after}: the ledger has fills that never came: {expected - set(fill_ids(watch))} ({error})")
    # What comes twice may come late.
    trader.target.advance(timedelta(seconds=8))
    await trader.target.breathe(20)
    double = [name for name, times in Counter(fill_ids(watch)).items() if times > 1]
    assert not double, f"after {after}: fills came more than once: {double}"
    assert set(fill_ids(watch)) == expected, (
        f"after {after}: fills that the ledger does not have: {set(fill_ids(watch)) - expected}"
    )

"""What the tests of streams share: each channel's models and name, and something happening that all of them tell."""

from __future__ import annotations

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

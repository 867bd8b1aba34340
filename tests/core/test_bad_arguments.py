"""
What is no market, no order, no time or no choice is refused by the face, in words that say what to pass, and reaches no
plugin. Who runs no type checker would else read of an attribute that is missing somewhere below.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import perpkit
from perpkit.core.arguments import check_count, check_several
from perpkit.core.errors import ConfigError, InvalidOrderError, UnknownMarketError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Channel, Market, OrderIntent, Side, Subscription
from perpkit.core.venue import Venue
from tests.core.toys import ToyVenue, toy_market

BTC = "BTC-USD-PERP"
INTENT = OrderIntent(market_id=BTC, side=Side.BUY, size="0.5", price="100.5")
SINCE = datetime(2026, 11, 1, tzinfo=UTC)


class Recording(ToyVenue):
    """Notes what reaches it of what is tried here and the toy does not serve."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.reached: list[str] = []

    @hookimpl
    async def set_dead_man_switch(self, after: timedelta | None) -> None:
        self.reached.append("set_dead_man_switch")

    @hookimpl
    async def fetch_fees(self, markets: list[Market] | None) -> list[Any]:
        self.reached.append("fetch_fees")
        return []


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    made: list[Recording] = []

    def factory(context: Any) -> Recording:
        made.append(Recording(context))
        return made[0]

    async with perpkit.open_venue("toy", plugin=factory) as opened:
        yield opened
    assert made[0].orders == {}
    assert made[0].reached == []


async def _follow(venue: Venue, channels: Any) -> None:
    async with venue.stream(channels):
        pass


WRONG: dict[str, tuple[Callable[[Any], Awaitable[object]], str]] = {
    "a market of no name": (lambda v: v.fetch_ticker(None), "market=None: pass a Market or its name"),
    "a depth in text": (lambda v: v.fetch_order_book(BTC, depth="3"), "depth='3': pass an int"),
    "a depth of a float": (lambda v: v.fetch_order_book(BTC, depth=1.5), "depth=1.5: pass an int"),
    "a depth of nothing": (lambda v: v.fetch_order_book(BTC, depth=0), "depth=0: at least 1"),
    "a limit in text": (lambda v: v.fetch_fills(BTC, limit="5"), "limit='5': pass an int"),
    "a limit of yes": (lambda v: v.fetch_fills(BTC, limit=True), "limit=True: pass an int"),
    "a time in text": (lambda v: v.fetch_fills(since="2026-01-01"), "since='2026-01-01': pass a datetime"),
    "bars of a number": (lambda v: v.fetch_candles(BTC, 60, since=SINCE), "interval=60: pass a timedelta"),
    "bars of no length": (lambda v: v.fetch_candles(BTC, timedelta(0), since=SINCE), "interval=0:00:00: above zero"),
    "bars since never": (
        lambda v: v.fetch_candles(BTC, timedelta(minutes=1), since=None),
        "since=None: pass a datetime",
    ),
    "bars of an unknown price": (
        lambda v: v.fetch_candles(BTC, timedelta(minutes=1), since=SINCE, price_kind="middle"),
        "price_kind='middle': one of last, mark, index",
    ),
    "an unknown margin mode": (lambda v: v.set_margin_mode(BTC, "crossed"), "mode='crossed': one of cross, isolated"),
    "an unknown position mode": (lambda v: v.set_position_mode("both"), "mode='both': one of one_way, hedge"),
    "markets in one text": (lambda v: v.fetch_funding_rates(BTC), f"markets='{BTC}': pass a list of markets"),
    "markets in one market": (lambda v: v.fetch_fees(toy_market()), "pass a list of markets"),
    "an order that is none": (lambda v: v.place_order({"market_id": BTC}), "pass an OrderIntent"),
    "a batch of one intent": (lambda v: v.place_orders(INTENT), "pass a list of OrderIntents"),
    "a batch with something else in it": (
        lambda v: v.place_orders([INTENT, "0.5"]),
        "intent='0.5': pass an OrderIntent",
    ),
    "a cancel by text": (lambda v: v.cancel_order("abc"), "order='abc': pass an Order, or OrderRef"),
    "cancels by one text": (lambda v: v.cancel_orders("abc"), "orders='abc': pass a list of orders"),
    "cancels by texts": (lambda v: v.cancel_orders(["abc"]), "order='abc': pass an Order, or OrderRef"),
    "an amendment by text": (lambda v: v.amend_order("abc", price=1), "order='abc': pass an Order, or OrderRef"),
    "an order asked for by text": (lambda v: v.fetch_order("abc"), "order='abc': pass an Order, or OrderRef"),
    "nothing to resolve": (lambda v: v.resolve_order(None), "order=None: pass the error"),
    "a bound that is a number": (lambda v: v.resolve_order("a", market=BTC, within=5), "within=5: pass a timedelta"),
    "a switch after a number": (lambda v: v.set_dead_man_switch(5), "after=5: pass a timedelta"),
    "a switch in the past": (lambda v: v.set_dead_man_switch(-timedelta(seconds=5)), "above zero"),
    "no channels": (lambda v: _follow(v, None), "channels=None: pass names"),
    "an empty list of channels": (lambda v: _follow(v, []), "no channel given"),
    "a channel of no name": (lambda v: _follow(v, [5]), "no channel '5'; there are book, trades"),
    "a book of no market": (lambda v: _follow(v, Subscription(channel=Channel.BOOK)), "needs a market: book:"),
}


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=list(WRONG))
async def test_what_is_of_the_wrong_kind_is_refused_in_words_and_reaches_no_plugin(
    venue: Venue, call: Callable[[Any], Awaitable[object]], words: str
) -> None:
    """A ConfigError that shows the argument and what to pass instead."""
    with pytest.raises(ConfigError) as caught:
        await call(venue)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [None, [], True, 0.5, "1/2", "NaN", 0])
async def test_a_leverage_that_is_no_number_above_zero_is_refused(venue: Venue, value: Any) -> None:
    """As for orders, with the value in the message."""
    with pytest.raises(InvalidOrderError, match="leverage="):
        await venue.set_leverage(BTC, value)


async def test_a_market_of_another_venue_is_no_subscription_of_this_one(venue: Venue) -> None:
    """Not by its name, and not in a Subscription either."""
    other = toy_market(venue="elsewhere")
    for channels in (f"book:{other.id}", Subscription(channel=Channel.BOOK, market=other)):
        with pytest.raises(UnknownMarketError, match="elsewhere"):
            await _follow(venue, channels)


def test_a_whole_market_in_the_place_of_its_id_is_shown_in_brief() -> None:
    """Enough to recognize it, and not its thirty fields."""
    with pytest.raises(InvalidOrderError) as caught:
        OrderIntent(market_id=toy_market(), side=Side.BUY, size="0.5", price="100.5")
    assert "market_id=Market(venue='toy'" in str(caught.value)
    assert len(str(caught.value)) < 200


def test_several_may_come_from_anything_that_is_gone_through() -> None:
    """A generator or a set serves as well as a list."""
    assert check_several("op", "markets", (each for each in "ab"), "a list") == ["a", "b"]
    assert check_count("op", "limit", 1) == 1

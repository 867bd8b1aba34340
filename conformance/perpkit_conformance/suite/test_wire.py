"""What the plugin sends, against the venue's contract. Whether the answers are right is for the other modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from perpkit.core.errors import PerpkitError
from perpkit.core.models import (
    Channel,
    MarginMode,
    OrderIntent,
    OrderRef,
    OrderType,
    PositionMode,
    Side,
    TimeInForce,
)
from perpkit.core.venue import Venue
from perpkit_conformance.contract import Breach
from perpkit_conformance.target import Target


def _told(breaches: list[Breach]) -> str:
    return "\n".join(map(str, breaches))


class Caller:
    """Calls hooks in the ways that users do. What the venue answers is not judged here."""

    def __init__(self, target: Target, venue: Venue) -> None:
        self.target = target
        self.venue = venue

    async def attempt(self, work: Awaitable[object]) -> None:
        """Await a call; a refusal is an answer too."""
        try:
            await self.target.run(work)
        except PerpkitError:
            return

    async def intent(self, side: Side = Side.BUY, **fields: Any) -> OrderIntent:
        """Return an order that rests far below the index, where the venue takes it."""
        market = await self.venue.market(self.target.market)
        index = self.target.control.exchange.index_price(self.target.symbol)
        price = (index * Decimal("0.98") / market.tick_size).to_integral_value() * market.tick_size
        size = (Decimal(1000) / index / market.step_size).to_integral_value() * market.step_size
        given = {"market_id": market.id, "side": side, "size": size, "price": price, **fields}
        return OrderIntent(**{name: value for name, value in given.items() if value is not None})

    async def placed(self) -> OrderRef:
        """Place an order that rests, and return what names it."""
        order = await self.target.run(self.venue.place_order(await self.intent()))
        return OrderRef(
            market_id=order.market_id, venue_order_id=order.venue_order_id, client_order_id=order.client_order_id
        )


Call = Callable[[Caller], Awaitable[None]]


async def _reads(caller: Caller, hook: str) -> None:
    venue, market = caller.venue, caller.target.market
    now = caller.target.control.clock.now()
    ago = now - timedelta(hours=2)
    ways: dict[str, list[Callable[[], Awaitable[object]]]] = {
        "check_health": [venue.check_health],
        "fetch_markets": [venue.fetch_markets],
        "fetch_ticker": [lambda: venue.fetch_ticker(market)],
        "fetch_tickers": [venue.fetch_tickers],
        "fetch_order_book": [lambda: venue.fetch_order_book(market), lambda: venue.fetch_order_book(market, depth=5)],
        "fetch_trades": [
            lambda: venue.fetch_trades(market),
            lambda: venue.fetch_trades(market, since=ago, until=now, limit=3),
        ],
        "fetch_funding_rates": [venue.fetch_funding_rates, lambda: venue.fetch_funding_rates([market])],
        "fetch_funding_history": [
            lambda: venue.fetch_funding_history(market),
            lambda: venue.fetch_funding_history(market, since=ago, until=now, limit=3),
        ],
        "fetch_funding_payments": [
            venue.fetch_funding_payments,
            lambda: venue.fetch_funding_payments(market, since=ago, until=now, limit=3),
        ],
        "fetch_account": [venue.fetch_account],
        "fetch_balances": [venue.fetch_balances],
        "fetch_positions": [venue.fetch_positions],
        "fetch_fees": [venue.fetch_fees, lambda: venue.fetch_fees([market])],
        "fetch_leverage": [lambda: venue.fetch_leverage(market)],
        "fetch_open_orders": [venue.fetch_open_orders, lambda: venue.fetch_open_orders(market)],
        "fetch_order_history": [
            venue.fetch_order_history,
            lambda: venue.fetch_order_history(market, since=ago, until=now, limit=3),
        ],
        "fetch_fills": [venue.fetch_fills, lambda: venue.fetch_fills(market, since=ago, until=now, limit=3)],
    }
    for way in ways[hook]:
        await caller.attempt(way())


READS = (
    "check_health",
    "fetch_markets",
    "fetch_ticker",
    "fetch_tickers",
    "fetch_order_book",
    "fetch_trades",
    "fetch_funding_rates",
    "fetch_funding_history",
    "fetch_funding_payments",
    "fetch_account",
    "fetch_balances",
    "fetch_positions",
    "fetch_fees",
    "fetch_leverage",
    "fetch_open_orders",
    "fetch_order_history",
    "fetch_fills",
)


@pytest.mark.rule("requests-follow-the-contract")
@pytest.mark.parametrize("hook", [pytest.param(each, marks=pytest.mark.needs(each)) for each in READS])
async def test_reads_are_requests_of_the_contract(target: Target, venue: Venue, hook: str) -> None:
    """Each read, with and without its optional arguments, sends only what the contract knows."""
    target.quote()
    await _reads(Caller(target, venue), hook)
    assert not target.breaches(), _told(target.breaches())


@pytest.mark.rule("requests-follow-the-contract")
@pytest.mark.needs("fetch_candles")
async def test_candles_of_every_interval_are_requests_of_the_contract(target: Target, venue: Venue) -> None:
    """Every interval that is claimed is one that the contract takes, for each kind of price."""
    caller, now = Caller(target, venue), target.control.clock.now()
    for interval in sorted(venue.capabilities.candle_intervals):
        await caller.attempt(venue.fetch_candles(target.market, interval, since=now - 3 * interval))
    assert not target.breaches(), _told(target.breaches())


def _kind(claim: str, **fields: object) -> object:
    return pytest.param(fields, marks=pytest.mark.needs(claim), id=claim)


# A trigger is a share of the index.
_ORDERS = [
    _kind("order_type:limit"),
    _kind("order_type:market", type=OrderType.MARKET, price=None),
    _kind("order_type:stop_limit", type=OrderType.STOP_LIMIT, trigger="1.01"),
    _kind("order_type:stop_market", type=OrderType.STOP_MARKET, trigger="1.01", price=None),
    _kind("order_type:take_profit_limit", type=OrderType.TAKE_PROFIT_LIMIT, trigger="0.97"),
    _kind("order_type:take_profit_market", type=OrderType.TAKE_PROFIT_MARKET, trigger="0.97", price=None),
    _kind("time_in_force:ioc", time_in_force=TimeInForce.IOC),
    _kind("time_in_force:fok", time_in_force=TimeInForce.FOK),
    _kind("post_only", post_only=True),
    _kind("reduce_only", reduce_only=True),
]


@pytest.mark.rule("requests-follow-the-contract")
@pytest.mark.needs("place_order")
@pytest.mark.parametrize("fields", _ORDERS)
async def test_orders_are_requests_of_the_contract(target: Target, venue: Venue, fields: dict[str, Any]) -> None:
    """Each kind of order that is claimed goes out in the form that the contract gives."""
    target.quote()
    caller, given = Caller(target, venue), dict(fields)
    if (share := given.pop("trigger", None)) is not None:
        market = await venue.market(target.market)
        index = target.control.exchange.index_price(target.symbol)
        given["trigger_price"] = (index * Decimal(str(share)) / market.tick_size).to_integral_value() * market.tick_size
    await caller.attempt(venue.place_order(await caller.intent(**given)))
    assert not target.breaches(), _told(target.breaches())


@pytest.mark.rule("requests-follow-the-contract")
@pytest.mark.needs("place_order")
async def test_an_order_with_an_id_of_ours_is_a_request_of_the_contract(target: Target, venue: Venue) -> None:
    """A client order id of the user's goes where the contract has it."""
    caller = Caller(target, venue)
    await caller.attempt(venue.place_order(await caller.intent(client_order_id="1234567890")))
    assert not target.breaches(), _told(target.breaches())


async def _amend(caller: Caller) -> None:
    order = await caller.placed()
    market = await caller.venue.market(caller.target.market)
    price = (await caller.intent()).price
    assert price is not None
    await caller.attempt(caller.venue.amend_order(order, price=price - market.tick_size))


async def _cancel(caller: Caller) -> None:
    await caller.attempt(caller.venue.cancel_order(await caller.placed()))
    by_ours = (await caller.placed()).client_order_id
    market = await caller.venue.market(caller.target.market)
    await caller.attempt(caller.venue.cancel_order(OrderRef(market_id=market.id, client_order_id=by_ours)))


async def _fetch_order(caller: Caller) -> None:
    order = await caller.placed()
    await caller.attempt(caller.venue.fetch_order(order))
    await caller.attempt(
        caller.venue.fetch_order(OrderRef(market_id=order.market_id, client_order_id=order.client_order_id))
    )


async def _cancel_many(caller: Caller) -> None:
    await caller.attempt(caller.venue.cancel_orders([await caller.placed(), await caller.placed()]))


async def _cancel_all(caller: Caller) -> None:
    await caller.attempt(caller.venue.cancel_all_orders(caller.target.market))
    await caller.attempt(caller.venue.cancel_all_orders())


async def _place_many(caller: Caller) -> None:
    await caller.attempt(caller.venue.place_orders([await caller.intent(), await caller.intent()]))


async def _set_leverage(caller: Caller) -> None:
    await caller.attempt(caller.venue.set_leverage(caller.target.market, 3))


async def _set_margin_mode(caller: Caller) -> None:
    for mode in caller.venue.capabilities.margin_modes:
        await caller.attempt(caller.venue.set_margin_mode(caller.target.market, MarginMode(mode)))


async def _set_position_mode(caller: Caller) -> None:
    await caller.attempt(caller.venue.set_position_mode(PositionMode.ONE_WAY))


async def _dead_man(caller: Caller) -> None:
    await caller.attempt(caller.venue.set_dead_man_switch(timedelta(minutes=1)))
    await caller.attempt(caller.venue.set_dead_man_switch(None))


_COMMANDS: dict[str, Call] = {
    "amend_order": _amend,
    "cancel_order": _cancel,
    "cancel_orders": _cancel_many,
    "cancel_all_orders": _cancel_all,
    "place_orders": _place_many,
    "fetch_order": _fetch_order,
    "set_leverage": _set_leverage,
    "set_margin_mode": _set_margin_mode,
    "set_position_mode": _set_position_mode,
    "set_dead_man_switch": _dead_man,
}


@pytest.mark.rule("requests-follow-the-contract")
@pytest.mark.parametrize("hook", [pytest.param(each, marks=pytest.mark.needs(each)) for each in _COMMANDS])
async def test_commands_are_requests_of_the_contract(target: Target, venue: Venue, hook: str) -> None:
    """Each command sends only what the contract knows, by the venue's id and by ours."""
    caller = Caller(target, venue)
    with suppress(PerpkitError):
        # Without an order there is nothing to amend or cancel; what was sent up to there is judged all the same.
        await _COMMANDS[hook](caller)
    assert not target.breaches(), _told(target.breaches())


_CHANNELS = [pytest.param(each, marks=pytest.mark.needs(f"channel:{each}")) for each in Channel]


@pytest.mark.rule("frames-follow-the-contract")
@pytest.mark.needs("open_stream")
@pytest.mark.parametrize(
    "channel", [pytest.param(each, marks=pytest.mark.needs(f"channel:{each}")) for each in Channel]
)
async def test_subscriptions_are_frames_of_the_contract(target: Target, venue: Venue, channel: Channel) -> None:
    """Following a channel goes to the venue's own address, in its envelope, with its names."""
    target.quote()
    name = str(channel) if channel.is_private else f"{channel}:{target.market}"
    async with target.watch(venue, name, live=False):
        await target.until(target.recordings.sent_frames, f"a frame for {name}", within=timedelta(seconds=20))
        await target.breathe(20)
    assert not target.breaches(), _told(target.breaches())


@pytest.mark.rule("all-traffic-is-seen")
async def test_the_exchange_saw_nothing_that_the_core_did_not_send(target: Target, venue: Venue) -> None:
    """Whatever arrived was sent through the core's transport, where it is limited, redacted and recorded."""
    target.quote()
    caller = Caller(target, venue)
    for hook in READS:
        if hook in venue.capabilities.hooks:
            await _reads(caller, hook)
    if "place_order" in venue.capabilities.hooks:
        await caller.attempt(venue.place_order(await caller.intent()))
    sent = Counter((each.method, urlsplit(each.url).path) for each in target.recordings.requests())
    unseen = target.arrivals.requests - sent
    assert not unseen, "\n".join(f"{method} {path} arrived {n} times unseen" for (method, path), n in unseen.items())

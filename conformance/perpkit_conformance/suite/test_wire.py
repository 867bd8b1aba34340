"""What the plugin sends, against the venue's contract. Whether the answers are right is for the other modules."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from perpkit.core.models import Channel, MarginMode, OrderType, SelfTradePrevention, TimeInForce
from perpkit.core.venue import Venue
from perpkit_conformance.contract import UrlStreams
from perpkit_conformance.fixtures import prove
from perpkit_conformance.suite.calls import COMMANDS, READS, Caller, a_life, nearest
from perpkit_conformance.target import Target


def _hold(target: Target) -> None:
    breaches = target.breaches()
    assert not breaches, "\n".join(map(str, breaches))


def _each(hooks: tuple[str, ...]) -> list[Any]:
    return [pytest.param(hook, marks=pytest.mark.needs(hook), id=hook) for hook in hooks]


@pytest.mark.rule("requests-follow-the-contract")
@pytest.mark.parametrize("hook", _each((*READS, *COMMANDS)))
async def test_every_request_is_one_of_the_contract(target: Target, venue: Venue, hook: str) -> None:
    """Each hook, with and without its optional arguments, sends only what the contract knows."""
    a_life(target)
    caller = Caller(target, venue)
    for way in caller.ways(hook):
        # A refusal is the venue's to give: what counts here is what was sent.
        await caller.attempt(way)
    _hold(target)


def _kind(claim: str, **fields: Any) -> Any:
    return pytest.param(fields, marks=pytest.mark.needs(claim), id=claim)


# A trigger is written as a share of the index.
_ORDERS = [
    _kind("order_type:limit"),
    _kind("order_type:market", type=OrderType.MARKET, price=None),
    _kind("order_type:stop_limit", type=OrderType.STOP_LIMIT, trigger="1.01"),
    _kind("order_type:stop_market", type=OrderType.STOP_MARKET, trigger="1.01", price=None),
    _kind("order_type:take_profit_limit", type=OrderType.TAKE_PROFIT_LIMIT, trigger="0.97"),
    _kind("order_type:take_profit_market", type=OrderType.TAKE_PROFIT_MARKET, trigger="0.97", price=None),
    _kind("time_in_force:gtc", time_in_force=TimeInForce.GTC),
    _kind("time_in_force:ioc", time_in_force=TimeInForce.IOC),
    _kind("time_in_force:fok", time_in_force=TimeInForce.FOK),
    _kind("post_only", post_only=True),
    _kind("reduce_only", reduce_only=True),
    *(_kind(f"self_trade_prevention:{each}", self_trade_prevention=each) for each in SelfTradePrevention),
    _kind("place_order", client_order_id="1234567890"),
]


@pytest.mark.rule("requests-follow-the-contract")
@pytest.mark.needs("place_order")
@pytest.mark.parametrize("fields", _ORDERS)
async def test_every_kind_of_order_is_one_of_the_contract(target: Target, venue: Venue, fields: dict[str, Any]) -> None:
    """Each kind of order that is claimed goes out in the form that the contract gives."""
    target.quote()
    caller, given = Caller(target, venue), dict(fields)
    if (share := given.pop("trigger", None)) is not None:
        market = await venue.market(target.market)
        index = target.control.exchange.index_price(target.symbol)
        given["trigger_price"] = nearest(index * Decimal(share), market.tick_size)
    intent = await caller.intent(**given)
    await caller.attempt(lambda: venue.place_order(intent))
    _hold(target)


@pytest.mark.rule("requests-follow-the-contract")
@pytest.mark.needs("fetch_candles")
async def test_candles_of_every_interval_are_ones_of_the_contract(
    request: pytest.FixtureRequest, target: Target, venue: Venue
) -> None:
    """Each claimed interval is one that the contract takes, and is answered."""
    a_life(target)
    for interval in sorted(venue.capabilities.candle_intervals):
        prove(request, f"candles:{int(interval.total_seconds())}")
        await target.run(venue.fetch_candles(target.market, interval, since=target.control.clock.now() - 3 * interval))
    _hold(target)


_MODES = [pytest.param(each, marks=pytest.mark.needs(f"margin_mode:{each}"), id=each.value) for each in MarginMode]


@pytest.mark.rule("requests-follow-the-contract")
@pytest.mark.needs("set_margin_mode")
@pytest.mark.parametrize("mode", _MODES)
async def test_every_margin_mode_is_one_of_the_contract(target: Target, venue: Venue, mode: MarginMode) -> None:
    """Each claimed margin mode is asked for in the contract's words, and taken."""
    await target.run(venue.set_margin_mode(target.market, mode))
    _hold(target)


def _by_address(target: Target) -> bool:
    contract = target.profile.contract
    return contract is not None and isinstance(contract.frames, UrlStreams)


@pytest.mark.rule("frames-follow-the-contract")
@pytest.mark.needs("open_stream")
@pytest.mark.parametrize("name", [pytest.param(e.value, marks=pytest.mark.needs(f"channel:{e}")) for e in Channel])
async def test_every_frame_is_one_of_the_contract(target: Target, venue: Venue, name: str) -> None:
    """Following a channel goes to the venue's own address, in its envelope, with its names; so does leaving it."""
    target.quote()
    wanted = name if Channel(name).is_private else f"{name}:{target.market}"
    async with target.watch(venue, wanted, live=False):
        # Where the address is the subscription nothing is sent.
        asked = (lambda: target.arrivals.handshakes) if _by_address(target) else target.recordings.sent_frames
        await target.until(asked, f"a frame or a connection for {wanted}", within=timedelta(seconds=20))
        await target.breathe(20)
    await target.breathe(20)
    _hold(target)


@pytest.mark.rule("all-traffic-is-seen")
async def test_the_exchange_saw_nothing_that_the_core_did_not_send(target: Target, venue: Venue) -> None:
    """Whatever arrived was sent through the core's transport, where it is limited, redacted and recorded."""
    a_life(target)
    caller = Caller(target, venue)
    for hook in (*READS, *COMMANDS):
        if hook in venue.capabilities.hooks:
            await caller.attempt(caller.ways(hook)[0])
    sent = Counter((each.method, urlsplit(each.url).path) for each in target.recordings.requests())
    unseen = target.arrivals.requests - sent
    assert not unseen, "\n".join(f"{method} {path} arrived {n} times unseen" for (method, path), n in unseen.items())

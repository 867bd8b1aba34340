"""Positions: sign and size, profit, flips and closes; many, old and liquidated ones."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.errors import PerpkitError
from perpkit.core.models import Fill, FillKind, Position, Side
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit.sim.orders import OrderRequest, OrderType
from perpkit_conformance.suite.altering import name_of, recorded
from perpkit_conformance.suite.calls import a_life, is_continuous, nearest, only_position
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target, Watch

_HOUR = timedelta(hours=1)


# Size and profit


@pytest.mark.rule("position-sign-and-size")
@pytest.mark.needs("fetch_positions")
@pytest.mark.parametrize("side", list(Side))
async def test_a_position_has_its_sign_and_size(target: Target, venue: Venue, side: Side) -> None:
    """A long is positive, a short negative, in every market of the profile, and nothing else is there."""
    for number, market in enumerate(target.profile.markets):
        history = History(target, f"{side} {market}")
        target.quote(market, size=history.size(market) * 3)
        target.submit(side if number % 2 == 0 else side.opposite, history.size(market), market=market)
    held = target.truth().positions()
    assert len(held) == len(target.profile.markets)
    came = await target.run(venue.fetch_positions())
    with Findings(target) as found:
        found.same_keys("positions", (each.market_id for each in came), map(target.id_of, held))
        for each in came:
            true = next((p for symbol, p in held.items() if target.id_of(symbol) == each.market_id), None)
            if true is not None:
                found.equal(f"{each.market_id}: size", each.size, true.size)
                found.equal(f"{each.market_id}: side", each.side.value, "long" if true.size > 0 else "short")


@pytest.mark.rule("position-sign-and-size")
@pytest.mark.needs("channel:positions")
@pytest.mark.parametrize("side", list(Side))
async def test_the_stream_has_the_sign_and_size_too(target: Target, venue: Venue, side: Side) -> None:
    """Opening and growing a position comes over the stream as the ledger has it."""
    target.quote(size=Decimal(5))
    async with target.watch(venue, "positions") as watch:
        for size in ("0.2", "0.15"):
            target.submit(side, size)
            await _until_size(watch, target.truth().positions()[target.symbol].size)
    with Findings(target) as found:
        last, true = watch.of(Position)[-1], target.truth().positions()[target.symbol]
        found.equal("market", last.market_id, target.id_of(target.symbol))
        found.equal("entry_price", last.entry_price, true.entry_price)
        found.true(all(each.size * side.sign >= 0 for each in watch.of(Position)), "a position had the other sign")


async def _until_size(watch: Watch, size: Decimal) -> None:
    def there() -> bool:
        return bool(watch.of(Position)) and watch.of(Position)[-1].size == size

    await watch.until(there, f"a position of {size} on the stream")


@pytest.mark.rule("position-pnl-is-exact")
@pytest.mark.needs("fetch_positions")
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("percent", ["96.7", "103.3"], ids=["falling", "rising"])
async def test_unrealized_pnl_is_from_price_alone(target: Target, venue: Venue, side: Side, percent: str) -> None:
    """Size times (mark - entry), whatever funding has accrued; what has accrued is told apart where it is told."""
    target.quote(size=Decimal("0.07"))
    target.submit(side, "0.2")
    target.advance(History(target, "pnl").rng.choice([1, 3]) * _HOUR)
    exchange, symbol = target.control.exchange, target.symbol
    target.control.set_price(symbol, index=exchange.index_price(symbol) * Decimal(percent) / 100)
    true = target.truth().positions()[symbol]
    assert true.unrealized_funding or not is_continuous(target), "the test needs accrued funding"
    came = await only_position(target, venue)
    with Findings(target) as found:
        found.equal("unrealized_pnl", came.unrealized_pnl, true.size * exchange.mark_price(symbol) - true.cost)
        found.fields(
            came,
            {
                "accrued_funding": true.unrealized_funding,
                "entry_price": true.entry_price,
                "mark_price": true.mark_price,
            },
            "position",
        )


@pytest.mark.rule("closed-positions-disappear")
@pytest.mark.needs("fetch_positions")
async def test_a_closed_position_is_not_returned(target: Target, venue: Venue) -> None:
    """The closed one is gone, the other stays, and the closed one comes back when it is opened again."""
    first, second = list(target.profile.markets)[:2]
    for market in (first, second):
        target.quote(market, size=Decimal(5))
    target.submit(Side.BUY, "0.3", market=first)
    target.submit(Side.SELL, "1", market=second)
    with Findings(target) as found:
        found.positions(await target.run(venue.fetch_positions()), target.truth().positions())
        target.submit(Side.SELL, "0.3", market=first)
        assert len(target.truth().positions()) == 1
        found.positions(await target.run(venue.fetch_positions()), target.truth().positions())
        target.submit(Side.SELL, "0.1", market=first)
        found.positions(await target.run(venue.fetch_positions()), target.truth().positions())
        for market, side, size in ((first, Side.BUY, "0.1"), (second, Side.BUY, "1")):
            target.submit(side, size, market=market)
        found.equal("positions of a flat account", await target.run(venue.fetch_positions()), [])


@pytest.mark.rule("closed-positions-disappear")
@pytest.mark.needs("channel:positions")
async def test_the_stream_reports_a_close_once(target: Target, venue: Venue) -> None:
    """One event with size 0, and nothing of it after that."""
    target.quote(size=Decimal(5))
    target.submit(Side.BUY, "0.3")
    async with target.watch(venue, "positions") as watch:
        target.submit(Side.SELL, "0.3")
        await watch.until(lambda: any(not each.size for each in watch.of(Position)), "an event with size 0")
        target.advance(_HOUR)
        await target.breathe(20)
    flat = [each for each in watch.of(Position) if not each.size]
    with Findings(target) as found:
        found.equal("events with size 0", len(flat), 1, "one close")
        found.equal("the last size", watch.of(Position)[-1].size, Decimal(0))


@pytest.mark.rule("broken-snapshots-never-flatten")
@pytest.mark.needs("fetch_positions")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param((FaultAction.TRUNCATE, {}), id="cut"),
        pytest.param((FaultAction.REPLACE, {"body": ""}), id="empty"),
        pytest.param((FaultAction.REPLACE, {"body": "null"}), id="null"),
        pytest.param((FaultAction.REPLACE, {"body": "{}"}), id="no-key"),
        pytest.param((FaultAction.REPLACE, {"body": "[]"}), id="bare-list"),
        pytest.param((FaultAction.REPLACE, {"body": '"ok"'}), id="text"),
        pytest.param((FaultAction.HTML, {"status": 502}), id="html"),
        pytest.param((FaultAction.HTML, {"status": 200}), id="html-with-200"),
        pytest.param((FaultAction.STATUS, {"status": 500}), id="500"),
        pytest.param((FaultAction.STATUS, {"status": 200, "body": ""}), id="200-and-nothing"),
    ],
)
async def test_a_broken_answer_is_no_empty_account(target: Target, venue: Venue, fault: Any) -> None:
    """Whatever is wrong with the answer, it is an error, and never a list without the position."""
    target.quote(size=Decimal(5))
    target.submit(Side.BUY, "0.3")
    await target.run(venue.fetch_positions())
    action, fields = fault
    if fields.get("body") == "[]" and _is_bare_list(target):
        return  # on this venue that is how no positions are told
    target.inject("fetch_positions", action, times=None, **fields)
    try:
        came = await target.run(venue.fetch_positions())
    except PerpkitError:
        return
    pytest.fail(f"{action} of the answer about positions: an error is due, the plugin returned {came}")


def _is_bare_list(target: Target) -> bool:
    return target.recordings.replies()[-1].body.lstrip().startswith(b"[")


@pytest.mark.rule("broken-snapshots-never-flatten")
@pytest.mark.needs("fetch_positions")
async def test_nothing_left_out_of_an_answer_loses_a_position(target: Target, venue: Venue) -> None:
    """Each key of the answer left out or null in turn: an error, or the same size in the same market."""
    target.quote(size=Decimal(5))
    target.submit(Side.SELL, "0.3")
    good, answer = await recorded(target, "fetch_positions", venue.fetch_positions)
    row = answer.rows()[0]
    places = [*answer.leaves(row), *((key,) for key in answer.tree if isinstance(answer.tree, dict))]
    with Findings(target) as found:
        for place in places:
            for word, body in (("left out", answer.without(place)), ("null", answer.changed((place, None)))):
                came = await answer.played(body, venue.fetch_positions)
                if not isinstance(came, PerpkitError):
                    sizes = {each.market_id: each.size for each in came}
                    found.equal(f"{name_of(place)} {word}", sizes, {each.market_id: each.size for each in good})


@pytest.mark.rule("flips-and-partial-closes")
@pytest.mark.needs("fetch_positions")
@pytest.mark.parametrize("side", list(Side))
async def test_size_and_entry_follow_every_trade(target: Target, venue: Venue, side: Side) -> None:
    """Open, add at another price, close a part, flip, close a part of the flipped one, add again."""
    exchange, symbol = target.control.exchange, target.symbol
    with Findings(target) as found:
        for step, (sign, size, percent) in enumerate(
            [(1, "0.3", 100), (1, "0.2", 102), (-1, "0.1", 101), (-1, "0.9", 99), (1, "0.2", 98), (-1, "0.1", 97)]
        ):
            target.control.clear_liquidity()
            index = nearest(exchange.index_price(symbol) * percent / 100, Decimal(1))
            target.control.set_price(symbol, index=index)
            target.quote(size=Decimal("0.08"), levels=20)
            target.submit(side if sign > 0 else side.opposite, size)
            before = len(found.found)
            found.positions(await target.run(venue.fetch_positions()), target.truth().positions())
            found.true(len(found.found) == before, f"(after step {step + 1})")


@pytest.mark.rule("flips-and-partial-closes")
@pytest.mark.needs("channel:positions")
async def test_the_stream_follows_a_flip(target: Target, venue: Venue) -> None:
    """After a flip the stream's position has the new sign and the new entry price."""
    target.quote(size=Decimal("0.08"), levels=20)
    target.submit(Side.BUY, "0.3")
    async with target.watch(venue, "positions") as watch:
        target.submit(Side.SELL, "0.7")
        true = target.truth().positions()[target.symbol]
        await _until_size(watch, true.size)
    last = watch.of(Position)[-1]
    with Findings(target) as found:
        found.fields(last, {"entry_price": true.entry_price, "realized_pnl": true.realized_pnl}, "position")


# Many, old and liquidated positions


@pytest.mark.rule("every-position-is-returned")
@pytest.mark.needs("fetch_positions")
async def test_sixty_positions_are_all_returned(target: Target, venue: Venue) -> None:
    """More than any page that a venue is known to give by default; none is lost and none comes twice."""
    symbols = [target.control.list_market(f"AA{number}", like=target.symbol).symbol for number in range(60)]
    for number, symbol in enumerate(symbols):
        target.control.quote(symbol)
        _submit(target, symbol, Side.BUY if number % 3 else Side.SELL, Decimal(number + 1) / 1000)
    assert len(target.truth().positions()) == len(symbols)
    with Findings(target) as found:
        found.positions(await target.run(venue.fetch_positions()), target.truth().positions())


@pytest.mark.rule("every-position-is-returned")
@pytest.mark.needs("fetch_positions")
async def test_a_position_in_a_market_of_a_moment_ago_is_returned(target: Target, venue: Venue) -> None:
    """
    A market is listed after the plugin has read the markets, and another client of the account trades there: left out
    until the listing is read again, the position would look flat.
    """
    await target.run(venue.fetch_markets())
    symbol = target.control.list_market("MOMENT", like=target.symbol).symbol
    target.control.quote(symbol)
    _submit(target, symbol, Side.SELL, Decimal("0.01"))
    with Findings(target) as found:
        found.positions(await target.run(venue.fetch_positions()), target.truth().positions())


def _submit(target: Target, symbol: str, side: Side, size: Decimal) -> None:
    target.control.exchange.submit(
        OrderRequest(account_id=target.truth().account_id, market=symbol, side=side, type=OrderType.MARKET, size=size)
    )


@pytest.mark.rule("old-positions-are-adopted")
@pytest.mark.needs("fetch_positions")
async def test_what_was_before_the_session_is_there(target: Target) -> None:
    """Positions, open orders, history and fills from before the plugin was opened come with the first reads."""
    a_life(target)
    truth, venue = target.truth(), await target.open()
    with Findings(target) as found:
        found.positions(await target.run(venue.fetch_positions()), truth.positions())
        if "fetch_fills" in venue.capabilities.hooks:
            found.fills(await target.run(venue.fetch_fills()), truth.fills())
        for hook, orders in (("fetch_open_orders", truth.open_orders()), ("fetch_order_history", truth.orders())):
            if hook in venue.capabilities.hooks:
                came = await target.run(getattr(venue, hook)())
                wanted = {each.id for each in orders}
                # A history may leave out what still stands.
                optional = set() if hook == "fetch_open_orders" else {each.id for each in truth.open_orders()}
                names = [each.venue_order_id or "" for each in came if each.venue_order_id not in optional]
                found.same_keys(hook, names, wanted - optional)


@pytest.mark.rule("old-positions-are-adopted")
@pytest.mark.needs("channel:positions")
async def test_the_stream_begins_with_what_was_before(target: Target) -> None:
    """Old positions are told before the stream says that it is live."""
    a_life(target)
    venue = await target.open()
    async with target.watch(venue, "positions") as watch:
        told = [each for each in watch.events if isinstance(each, Position)]
    with Findings(target) as found:
        found.positions(told, target.truth().positions())


@pytest.mark.rule("liquidations-are-labelled")
@pytest.mark.needs("fetch_positions", "fetch_fills")
async def test_a_liquidation_takes_the_position_and_says_what_it_was(target: Target, venue: Venue) -> None:
    """The position is gone as the ledger has it, and the fills that took it are liquidations."""
    target.quote(size=Decimal("0.2"))
    target.submit(Side.BUY, "0.3")
    target.control.liquidate(target.truth().account_id)
    truth = target.truth()
    assert FillKind.LIQUIDATION in {each.kind for each in truth.fills()}, "the test needs a liquidation"
    with Findings(target) as found:
        found.positions(await target.run(venue.fetch_positions()), truth.positions())
        found.fills(await target.run(venue.fetch_fills()), truth.fills())


@pytest.mark.rule("liquidations-are-labelled")
@pytest.mark.needs("channel:positions", "channel:fills")
async def test_the_stream_labels_a_liquidation(target: Target, venue: Venue) -> None:
    """Over the stream the position closes, and its fills are liquidations."""
    target.quote(size=Decimal("0.2"))
    target.submit(Side.SELL, "0.3")
    before = {each.id for each in target.truth().fills()}
    async with target.watch(venue, "positions", "fills") as watch:
        target.control.liquidate(target.truth().account_id)
        truth = [each for each in target.truth().fills() if each.id not in before]
        await watch.until(lambda: len(watch.of(Fill)) >= len(truth), f"{len(truth)} fills of the liquidation")
        await watch.until(lambda: watch.of(Position)[-1].size == 0, "a position of 0")
    with Findings(target) as found:
        found.fills(watch.of(Fill), truth)


@pytest.mark.rule("liquidations-are-labelled")
@pytest.mark.needs("fetch_positions", "fetch_fills")
async def test_deleveraging_is_no_trade_of_ours(target: Target, venue: Venue) -> None:
    """A winner whose position the venue closed sees it closed, by a fill that is not labelled as a trade."""
    target.quote(size=Decimal(5))
    target.submit(Side.BUY, "0.3")
    target.submit(Side.SELL, "0.3", account=1)
    target.control.exchange.deleverage(target.truth().account_id, target.truth(1).account_id, target.symbol)
    with Findings(target) as found:
        found.positions(await target.run(venue.fetch_positions()), target.truth().positions())
        found.fills(await target.run(venue.fetch_fills()), target.truth().fills())

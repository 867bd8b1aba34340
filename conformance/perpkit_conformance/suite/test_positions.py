"""Positions: sign and size, profit, leverage and margin, many, old and liquidated ones."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.errors import PerpkitError
from perpkit.core.models import Fill, FillKind, MarginMode, Position, Side
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit.sim.orders import OrderRequest, OrderType
from perpkit_conformance.claims import claims_of
from perpkit_conformance.fixtures import prove
from perpkit_conformance.suite.altering import name_of, recorded
from perpkit_conformance.suite.calls import a_life, is_continuous, nearest, only_position
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target, Watch

_HOUR = timedelta(hours=1)


def _markets(target: Target) -> list[str]:
    return list(target.profile.markets)


# Positions


@pytest.mark.rule("position-sign-and-size")
@pytest.mark.needs("fetch_positions")
@pytest.mark.parametrize("side", list(Side))
async def test_a_position_has_its_sign_and_size(target: Target, venue: Venue, side: Side) -> None:
    """A long is positive, a short negative, in every market of the profile, and nothing else is there."""
    for number, market in enumerate(_markets(target)):
        history = History(target, f"{side} {market}")
        target.quote(market, size=history.size(market) * 3)
        target.submit(side if number % 2 == 0 else side.opposite, history.size(market), market=market)
    held = target.truth().positions()
    assert len(held) == len(_markets(target))
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
    first, second = _markets(target)[:2]
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


# Leverage and margin


@pytest.mark.rule("leverage-is-the-accounts-own")
@pytest.mark.needs("fetch_leverage")
async def test_leverage_and_mode_are_the_accounts_setting(
    request: pytest.FixtureRequest, target: Target, venue: Venue
) -> None:
    """What the account chose comes back, for each market its own, and not the market's maximum."""
    truth, chosen = target.truth(), zip(_markets(target), (4, 8, 2, 5), strict=False)
    for market, leverage in chosen:
        target.control.exchange.set_margin(truth.account_id, target.symbol_of(market), leverage=Decimal(leverage))
    with Findings(target) as found:
        for market in _markets(target):
            came, true = await target.run(venue.fetch_leverage(market)), truth.margin(target.symbol_of(market))
            prove(request, f"margin_mode:{true.mode}")
            found.equal(f"{market}: market_id", came.market_id, target.id_of(target.symbol_of(market)))
            found.fields(came, {"leverage": true.leverage, "margin_mode": true.mode}, market)


@pytest.mark.rule("leverage-is-the-accounts-own")
@pytest.mark.needs("fetch_leverage", "margin_mode:isolated")
async def test_an_isolated_market_says_so(target: Target, venue: Venue) -> None:
    """The mode is read, too."""
    truth = target.truth()
    target.control.exchange.set_margin(truth.account_id, target.symbol, leverage=Decimal(4), mode=MarginMode.ISOLATED)
    came, other = [await target.run(venue.fetch_leverage(market)) for market in _markets(target)[:2]]
    with Findings(target) as found:
        found.equal("leverage", came.leverage, Decimal(4))
        found.equal("margin_mode", came.margin_mode, MarginMode.ISOLATED)
        found.equal("margin_mode of another market", other.margin_mode, MarginMode.CROSS)


@pytest.mark.rule("leverage-is-the-accounts-own")
@pytest.mark.needs("fetch_positions")
async def test_a_position_has_its_own_leverage_and_liquidation_price(target: Target, venue: Venue) -> None:
    """The chosen leverage, and the price at which the ledger would liquidate; None where no price does."""
    truth, markets = target.truth(), _markets(target)[:2]
    for market, leverage, side in zip(markets, (4, 8), Side, strict=True):
        target.control.exchange.set_margin(truth.account_id, target.symbol_of(market), leverage=Decimal(leverage))
        target.quote(market, size=Decimal(20))
        target.submit(side, "0.4", market=market)
    held = {target.id_of(symbol): position for symbol, position in truth.positions().items()}
    assert any(position.liquidation_price for position in held.values()), "the test needs one that can be liquidated"
    with Findings(target) as found:
        for came in await target.run(venue.fetch_positions()):
            true = held[came.market_id]
            found.fields(
                came,
                {
                    "leverage": true.leverage,
                    "margin_mode": true.margin_mode,
                    "liquidation_price": true.liquidation_price,
                },
                came.market_id,
            )


@pytest.mark.rule("settings-really-change")
@pytest.mark.needs("set_leverage")
async def test_setting_the_leverage_changes_the_ledger(target: Target, venue: Venue) -> None:
    """Afterwards the exchange holds the new leverage and the old mode, and the answer says what it holds."""
    truth = target.truth()
    with Findings(target) as found:
        for leverage in (4, 8):
            came = await target.run(venue.set_leverage(target.market, leverage))
            true = truth.margin(target.symbol)
            found.equal(f"the exchange, after set_leverage({leverage})", true.leverage, Decimal(leverage), "the call")
            found.fields(came, {"leverage": true.leverage, "margin_mode": true.mode}, f"set_leverage({leverage})")


@pytest.mark.rule("settings-really-change")
@pytest.mark.needs("set_leverage")
async def test_a_refused_leverage_raises(target: Target, venue: Venue) -> None:
    """More than the market allows is an error, and the setting stays."""
    before = target.truth().margin(target.symbol)
    most = target.control.exchange.market(target.symbol).max_leverage
    with pytest.raises(PerpkitError):
        await target.run(venue.set_leverage(target.market, int(most) + 1))
    assert target.truth().margin(target.symbol) == before


@pytest.mark.rule("settings-really-change")
@pytest.mark.needs("set_margin_mode")
async def test_setting_the_margin_mode_changes_the_ledger(target: Target, venue: Venue) -> None:
    """Afterwards the exchange holds the new mode and the old leverage."""
    truth = target.truth()
    target.control.exchange.set_margin(truth.account_id, target.symbol, leverage=Decimal(5))
    with Findings(target) as found:
        for mode in (MarginMode.ISOLATED, MarginMode.CROSS):
            if f"margin_mode:{mode.value}" not in claims_of(venue.capabilities):
                continue
            came, true = await target.run(venue.set_margin_mode(target.market, mode)), truth.margin(target.symbol)
            found.equal(f"the exchange, after set_margin_mode({mode})", true.mode, mode, "the call")
            found.equal(f"leverage, after set_margin_mode({mode})", true.leverage, Decimal(5), "the setting before")
            found.fields(came, {"leverage": true.leverage, "margin_mode": true.mode}, f"set_margin_mode({mode})")


@pytest.mark.rule("settings-really-change")
@pytest.mark.needs("set_margin_mode")
async def test_a_refused_margin_mode_raises(target: Target, venue: Venue) -> None:
    """With an open position the exchange refuses, and the caller is told."""
    target.quote()
    target.submit(Side.BUY, "0.1")
    before = target.truth().margin(target.symbol)
    other = MarginMode.CROSS if before.mode is MarginMode.ISOLATED else MarginMode.ISOLATED
    with pytest.raises(PerpkitError):
        await target.run(venue.set_margin_mode(target.market, other))
    assert target.truth().margin(target.symbol) == before


@pytest.mark.rule("settings-really-change")
@pytest.mark.needs("adjust_margin", "margin_mode:isolated")
async def test_margin_of_a_position_moves_by_what_was_asked(target: Target, venue: Venue) -> None:
    """Put behind an isolated position and taken back again: that of the market named, by so much, and once."""
    truth = target.truth()
    for market in _markets(target)[:2]:
        exchange = target.control.exchange
        exchange.set_margin(truth.account_id, target.symbol_of(market), leverage=Decimal(4), mode=MarginMode.ISOLATED)
        size = History(target, market).size(market)
        target.quote(market, size=size * 2)
        target.submit(Side.BUY, size, market=market)
    moved, other = (target.symbol_of(each) for each in _markets(target)[:2])
    before, cash = {each: truth.positions()[each].isolated_margin for each in (moved, other)}, truth.summary().cash
    with Findings(target) as found:
        for amount, due in ((Decimal("25.5"), Decimal("25.5")), (Decimal("-5.25"), Decimal("20.25"))):
            await target.run(venue.adjust_margin(target.market, amount))
            held = truth.positions()
            found.equal(f"{moved}, moved by {amount}", held[moved].isolated_margin, before[moved] + due)
            found.equal(f"{other} beside it", held[other].isolated_margin, before[other])
        found.equal("cash, which belongs to the account all the same", truth.summary().cash, cash)


@pytest.mark.rule("settings-really-change")
@pytest.mark.needs("adjust_margin")
async def test_margin_that_can_not_be_moved_raises(target: Target, venue: Venue) -> None:
    """Nothing is open there: an error, and the account is as it was."""
    before = target.truth().summary()
    with pytest.raises(PerpkitError):
        await target.run(venue.adjust_margin(target.market, Decimal(5)))
    assert target.truth().summary().free_collateral == before.free_collateral


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

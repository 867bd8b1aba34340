"""Leverage and margin: the account's own settings come back, and what is set is set at the exchange."""

from __future__ import annotations

from decimal import Decimal

import pytest

from perpkit.core.errors import PerpkitError
from perpkit.core.models import MarginMode, Side
from perpkit.core.venue import Venue
from perpkit_conformance.claims import claims_of
from perpkit_conformance.fixtures import prove
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target


@pytest.mark.rule("leverage-is-the-accounts-own")
@pytest.mark.needs("fetch_leverage")
async def test_leverage_and_mode_are_the_accounts_setting(
    request: pytest.FixtureRequest, target: Target, venue: Venue
) -> None:
    """What the account chose comes back, for each market its own, and not the market's maximum."""
    truth, chosen = target.truth(), zip(target.profile.markets, (4, 8, 2, 5), strict=False)
    for market, leverage in chosen:
        target.control.exchange.set_margin(truth.account_id, target.symbol_of(market), leverage=Decimal(leverage))
    with Findings(target) as found:
        for market in target.profile.markets:
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
    came, other = [await target.run(venue.fetch_leverage(market)) for market in list(target.profile.markets)[:2]]
    with Findings(target) as found:
        found.equal("leverage", came.leverage, Decimal(4))
        found.equal("margin_mode", came.margin_mode, MarginMode.ISOLATED)
        found.equal("margin_mode of another market", other.margin_mode, MarginMode.CROSS)


@pytest.mark.rule("leverage-is-the-accounts-own")
@pytest.mark.needs("fetch_positions")
async def test_a_position_has_its_own_leverage_and_liquidation_price(target: Target, venue: Venue) -> None:
    """The chosen leverage, and the price at which the ledger would liquidate; None where no price does."""
    truth, markets = target.truth(), list(target.profile.markets)[:2]
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
    for market in list(target.profile.markets)[:2]:
        exchange = target.control.exchange
        exchange.set_margin(truth.account_id, target.symbol_of(market), leverage=Decimal(4), mode=MarginMode.ISOLATED)
        size = History(target, market).size(market)
        target.quote(market, size=size * 2)
        target.submit(Side.BUY, size, market=market)
    moved, other = (target.symbol_of(each) for each in list(target.profile.markets)[:2])
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
@pytest.mark.parametrize("there", ["nothing is open", "less is free"])
async def test_margin_that_can_not_be_moved_raises(target: Target, venue: Venue, there: str) -> None:
    """Nowhere to put it, or more than the account has to spare: an error, and the account is as it was."""
    truth, amount = target.truth(), Decimal(5)
    if there == "less is free":
        target.control.exchange.set_margin(
            truth.account_id, target.symbol, leverage=Decimal(4), mode=MarginMode.ISOLATED
        )
        target.quote()
        target.submit(Side.BUY, "0.1")
        amount = truth.summary().equity.quantize(Decimal("0.01")) * 2
    before = truth.summary().free_collateral
    with pytest.raises(PerpkitError):
        await target.run(venue.adjust_margin(target.market, amount))
    assert truth.summary().free_collateral == before

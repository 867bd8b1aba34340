"""Markets: names, multipliers, rules, status, and what everybody may see of them, as the exchange has it."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest

from perpkit.core.errors import PerpkitError
from perpkit.core.models import InstrumentKind, Market, MarketStatus, OrderIntent, Side, VenueStatus
from perpkit.core.venue import Venue
from perpkit.sim.markets import FeeRates, MarketSpec, SystemStatus
from perpkit.sim.orders import OrderState
from perpkit_conformance.fixtures import published
from perpkit_conformance.suite.altering import recorded
from perpkit_conformance.suite.calls import a_life, nearest
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target


async def _listed(target: Target, venue: Venue) -> dict[str, Market]:
    """Return what the plugin lists, by the venue's own symbol."""
    return {each.symbol: each for each in await target.run(venue.fetch_markets())}


def _specs(target: Target) -> list[MarketSpec]:
    return target.control.exchange.markets()


# Names


@pytest.mark.rule("symbols-are-a-bijection")
async def test_every_perpetual_is_there_once(target: Target, venue: Venue) -> None:
    """One id for each of the exchange's markets, nothing twice, nothing empty, its currencies the exchange's."""
    came = await target.run(venue.fetch_markets())
    traded = {spec.symbol: spec for spec in _specs(target)}
    with Findings(target) as found:
        for what, names in (("id", [e.id for e in came]), ("symbol", [e.symbol for e in came])):
            twice = sorted({each for each in names if names.count(each) > 1})
            found.true(not twice, f"the same {what} for several markets: {twice}")
        missing = sorted(set(traded) - {each.symbol for each in came})
        found.true(not missing, f"markets of the exchange that are not listed: {missing}")
        for market in came:
            instrument = market.instrument
            names = [market.symbol, instrument.base, instrument.quote, instrument.settle, instrument.underlying]
            found.true(all(each.strip() for each in names), f"{market.id}: an empty name among {names}")
            found.equal(f"{market.id}: venue", market.venue, target.profile.name, "the profile")
            if (spec := traded.get(market.symbol)) is not None:
                found.equal(f"{market.id}: quote", instrument.quote, spec.quote)
                found.equal(f"{market.id}: settle", instrument.settle, target.profile.settle_asset, "the profile")


@pytest.mark.rule("symbols-are-a-bijection")
async def test_the_profiles_markets_have_their_names(target: Target, venue: Venue) -> None:
    """Perpkit's symbol leads to the venue's own, and back; so do the id and the venue's symbol itself."""
    with Findings(target) as found:
        for name, symbol in target.profile.markets.items():
            for spelling in (name, target.id_of(symbol), symbol):
                market = await target.run(venue.market(spelling))
                found.equal(f"the venue's symbol of {spelling}", market.symbol, symbol, "the profile")
                found.equal(f"the id of {spelling}", market.id, target.id_of(symbol), "the profile")


_SCALED = {
    "kFLOKI": ("FLOKI", 1000),
    "1000FLOKI": ("FLOKI", 1000),
    "10000SATS": ("SATS", 10_000),
    "1MBABYDOGE": ("BABYDOGE", 1_000_000),
    "2Z": ("2Z", 1),
    "1INCH": ("1INCH", 1),
    "KAVA": ("KAVA", 1),
    "100X": ("100X", 1),
}


@pytest.mark.rule("scaled-names-parse")
@pytest.mark.parametrize("base", _SCALED)
async def test_a_scaled_name_gives_underlying_and_multiplier(target: Target, venue: Venue, base: str) -> None:
    """Beside the venue's other markets, a base of this spelling is what it says."""
    spec = target.control.list_market(base, like=target.symbol)
    listed = await _listed(target, venue)
    assert spec.symbol in listed, f"{spec.symbol} is listed by the exchange and was not returned"
    underlying, multiplier = _SCALED[base]
    with Findings(target) as found:
        instrument = listed[spec.symbol].instrument
        found.equal("underlying", instrument.underlying, underlying, "the spelling")
        found.equal("multiplier", instrument.multiplier, Decimal(multiplier), "the spelling")
        found.equal("id", listed[spec.symbol].id, target.id_of(spec.symbol), "the spelling")
        found.true(set(target.profile.markets.values()) <= set(listed), "the venue's other markets are gone")


@pytest.mark.rule("scaled-names-parse")
@pytest.mark.parametrize("base", ["xyz:GOLD", "WHAT?", "A*B"])
async def test_an_odd_name_does_not_stop_the_listing(target: Target, venue: Venue, base: str) -> None:
    """Names with signs in them load as they are, or are left out; the other markets load."""
    spec = target.control.list_market(base, like=target.symbol)
    listed = await _listed(target, venue)
    with Findings(target) as found:
        found.true(set(target.profile.markets.values()) <= set(listed), "the venue's other markets are gone")
        if spec.symbol in listed:
            found.equal("base", listed[spec.symbol].instrument.base, base)
            found.equal("multiplier", listed[spec.symbol].instrument.multiplier, Decimal(1), "the spelling")


_THOUSANDS = re.compile(r"k[A-Z]\w+|1000[A-Z]\w+")


@pytest.mark.rule("multiplier-agrees-with-prices")
@pytest.mark.needs("fetch_ticker")
async def test_price_size_and_multiplier_fit_together(target: Target, venue: Venue) -> None:
    """Price over multiplier is the price of one coin, size times multiplier the number of coins, on every path."""
    target.control.list_market("1000BONK", like=target.symbol, index_price=Decimal(250), tick_size=Decimal("0.1"))
    listed = await _listed(target, venue)
    with Findings(target) as found:
        for spec in _specs(target):
            true = Decimal(1000 if _THOUSANDS.fullmatch(spec.base) else 1)
            market, index = listed[spec.symbol], target.control.exchange.index_price(spec.symbol)
            many = market.instrument.multiplier
            ticker = await target.run(venue.fetch_ticker(market))
            coin = None if ticker.index_price is None else ticker.index_price / many
            found.equal(f"{spec.symbol}: price of one coin", coin, index / true, "the exchange's index")
            found.equal(f"{spec.symbol}: tick for one coin", market.tick_size / many, spec.tick_size / true)
            found.equal(f"{spec.symbol}: coins in a step", market.step_size * many, spec.step_size * true)


@pytest.mark.rule("multiplier-agrees-with-prices")
@pytest.mark.needs("fetch_positions")
async def test_a_position_is_as_many_coins_as_the_ledger_says(target: Target, venue: Venue) -> None:
    """Size times multiplier, and with the mark price the ledger's notional, also where a unit is a thousand coins."""
    for name in target.profile.markets:
        size = History(target, name).size(name)
        target.quote(name, size=size * 2)
        target.submit(Side.BUY, size, market=name)
    listed = {each.id: each for each in (await _listed(target, venue)).values()}
    exchange = target.control.exchange
    with Findings(target) as found:
        for came in await target.run(venue.fetch_positions()):
            market = listed[came.market_id]
            true, base = target.truth().positions()[market.symbol], exchange.market(market.symbol).base
            coins = true.size * (1000 if _THOUSANDS.fullmatch(base) else 1)
            found.equal(f"{came.market_id}: coins", came.size * market.instrument.multiplier, coins)
            entry = (came.entry_price or Decimal(0)) * came.size
            found.true(abs(entry - true.cost) < Decimal("1e-6"), f"{came.market_id} cost {true.cost}, came {entry}")


# Rules


def _rules(spec: MarketSpec) -> dict[str, object]:
    return {
        "tick_size": spec.tick_size,
        "step_size": spec.step_size,
        "min_size": spec.min_size or None,
        "min_notional": spec.min_notional,
        "max_size": spec.max_size,
        "position_limit": spec.position_limit,
        "max_open_orders": spec.max_open_orders,
        "price_band": spec.price_band,
        "maker_fee": spec.fees.maker,
        "taker_fee": spec.fees.taker,
        "initial_margin_fraction": spec.initial_margin,
        "maintenance_margin_fraction": spec.maintenance_margin,
        "max_leverage": spec.max_leverage,
        "funding_interval": spec.funding_period,
        "funding_accrual": spec.funding_accrual,
        "status": spec.status,
    }


@pytest.mark.rule("market-rules-are-exact")
async def test_the_rules_of_every_market_are_its_own(target: Target, venue: Venue) -> None:
    """Tick, step, limits, fees, margins, period: for each market those of the exchange."""
    listed = await _listed(target, venue)
    with Findings(target) as found:
        for spec in _specs(target):
            found.fields(listed[spec.symbol], _rules(spec), spec.symbol)


@pytest.mark.rule("market-rules-are-exact")
async def test_each_rule_is_read_from_its_own_field(target: Target, venue: Venue) -> None:
    """A market whose every rule is another number than any other market's: nothing is a constant or a neighbour."""
    rules: dict[str, Any] = {
        "tick_size": Decimal("0.025"),
        "step_size": Decimal("0.003"),
        "min_notional": Decimal(17),
        "max_size": Decimal("81.3"),
        "position_limit": Decimal("234.6"),
        "max_open_orders": 43,
        "price_band": Decimal("0.0625"),
        "initial_margin": Decimal("0.125"),
        "maintenance_margin": Decimal("0.05"),
        "fees": FeeRates(maker=Decimal("-0.00007"), taker=Decimal("0.00045")),
        "funding_period": timedelta(hours=12),
    }
    spec = target.control.list_market("UNUSUAL", like=target.symbol, **{**rules, **target.profile.market_rules})
    listed = await _listed(target, venue)
    with Findings(target) as found:
        found.fields(listed[spec.symbol], _rules(spec), spec.symbol)


@pytest.mark.rule("market-rules-are-exact")
async def test_rules_can_be_used(target: Target, venue: Venue) -> None:
    """Steps are above zero, limits are in the right order, margins are fractions."""
    with Findings(target) as found:
        for market in await target.run(venue.fetch_markets()):
            if market.max_size is not None:
                least = max(market.min_size or market.step_size, market.step_size)
                found.true(market.max_size >= least, f"{market.id}: max_size {market.max_size} is below {least}")
            initial, maintenance = market.initial_margin_fraction, market.maintenance_margin_fraction
            if initial is not None and maintenance is not None:
                found.true(0 < maintenance <= initial <= 1, f"{market.id}: margins {maintenance}, {initial}")


@pytest.mark.rule("market-rules-are-exact")
@pytest.mark.needs("fetch_fees")
async def test_fees_are_what_the_account_pays(target: Target, venue: Venue) -> None:
    """Maker and taker of every market, a rebate negative, as a fraction."""
    came = {each.market_id: each for each in await target.run(venue.fetch_fees())}
    with Findings(target) as found:
        for spec in _specs(target):
            true = target.truth().fees(spec.symbol)
            fees = came.get(target.id_of(spec.symbol))
            found.true(fees is not None, f"no fees of {spec.symbol} were returned")
            if fees is not None:
                found.fields(fees, {"maker": true.maker, "taker": true.taker}, f"fees of {spec.symbol}")


@pytest.mark.rule("quantized-orders-are-accepted")
@pytest.mark.needs("place_order", "order_type:limit")
@pytest.mark.target(deposit=Decimal(500_000_000))
async def test_what_fits_the_rules_is_accepted(target: Target, venue: Venue) -> None:
    """The smallest and the largest order, at both ends of the price band and between: taken as it was sent."""
    rng = History(target, "grid").rng
    listed = await _listed(target, venue)
    with Findings(target) as found:
        for symbol in target.profile.markets.values():
            market, mark = listed[symbol], target.control.exchange.mark_price(symbol)
            band = market.price_band if market.price_band is not None else Decimal("0.03")
            for side in Side:
                for share in (Decimal(1), Decimal(0), Decimal(rng.randrange(1, 99)) / 100):
                    price = nearest(mark * (1 - side.sign * band * share), market.tick_size)
                    price += side.sign * market.tick_size if share == 1 else -side.sign * market.tick_size
                    sizes = [_least(market, price), _between(market, price, rng)]
                    for size in (*sizes, *([market.max_size] if market.max_size is not None and share == 1 else [])):
                        intent = OrderIntent(market_id=market.id, side=side, size=size, price=price)
                        await _accepted(target, venue, found, intent)


def _least(market: Market, price: Decimal) -> Decimal:
    least = max(market.min_size or market.step_size, (market.min_notional or Decimal(0)) / price)
    return (least / market.step_size).to_integral_value(ROUND_CEILING) * market.step_size


def _between(market: Market, price: Decimal, rng: Any) -> Decimal:
    worth = Decimal(rng.randrange(100, 50_000))
    return max(nearest(worth / price, market.step_size), _least(market, price))


async def _accepted(target: Target, venue: Venue, found: Findings, intent: OrderIntent) -> None:
    what = f"{intent.side} {intent.size:f} {intent.market_id} at {intent.price:f}"
    try:
        order = await target.run(venue.place_order(intent))
    except PerpkitError as error:
        found.true(False, f"{what} fits the rules and was refused: {error!r}")
        return
    true = target.truth().order_by_client_id(order.client_order_id or "")
    found.true(true is not None, f"{what}: the ledger has no such order")
    if true is not None:
        found.equal(f"{what}: state", true.state, OrderState.OPEN, f"the rules ({true.close_reason})")
        found.equal(f"{what}: price in the ledger", true.price, intent.price, "the order")
        found.equal(f"{what}: size in the ledger", true.size, intent.size, "the order")
        target.cancel_order(true.account_id, true.id)


# Rows that can't be read, and rows of something else


@pytest.mark.rule("bad-rows-are-skipped")
async def test_a_broken_row_is_reported_and_left_out(
    target: Target, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    """Every number of one row is broken: the others load with their rules, and a warning names the row."""
    good, answer = await recorded(target, "fetch_markets", venue.fetch_markets)
    name, symbol = list(target.profile.markets.items())[1]
    broken = answer.changed(*((place, "broken") for place in answer.numbers(answer.row_of(symbol))))
    caplog.clear()
    came = await answer.played(broken, venue.fetch_markets)
    assert not isinstance(came, PerpkitError), f"one broken row, and the whole listing failed: {came!r}"
    with Findings(target) as found:
        found.same_keys("markets", (e.symbol for e in came), (e.symbol for e in good if e.symbol != symbol))
        for spec in _specs(target):
            market = next((each for each in came if each.symbol == spec.symbol), None)
            if market is not None and spec.symbol != symbol:
                found.fields(market, _rules(spec), spec.symbol)
        warned = [r.getMessage() for r in caplog.records if r.levelname in {"WARNING", "ERROR"}]
        found.true(any(name in each or symbol in each for each in warned), f"no warning names {name}: {warned}")


@pytest.mark.rule("bad-rows-are-skipped")
@pytest.mark.parametrize("row", [None, "what?", 7, [], {}], ids=["null", "text", "number", "list", "empty"])
async def test_a_row_that_is_no_row_is_left_out(target: Target, venue: Venue, row: Any) -> None:
    """In place of one market's row stands something else; the rest load."""
    good, answer = await recorded(target, "fetch_markets", venue.fetch_markets)
    symbol = list(target.profile.markets.values())[1]
    came = await answer.played(answer.changed((answer.row_of(symbol), row)), venue.fetch_markets)
    assert not isinstance(came, PerpkitError), f"one row is {row!r}, and the whole listing failed: {came!r}"
    with Findings(target) as found:
        found.same_keys("markets", (e.symbol for e in came), (e.symbol for e in good if e.symbol != symbol))


@pytest.mark.rule("only-perpetuals")
async def test_what_is_no_perpetual_is_not_listed_as_one(target: Target, venue: Venue) -> None:
    """Among the venue's rows stand spot, dated and option ones: none is a market here, or it takes no orders."""
    traded = {spec.symbol for spec in _specs(target)}
    with Findings(target) as found:
        for market in await target.run(venue.fetch_markets()):
            found.equal(f"{market.id}: kind", market.instrument.kind, InstrumentKind.PERP, "the interface")
            if market.symbol not in traded:
                what = f"{market.symbol}, which the exchange does not trade,"
                found.equal(f"{what} has the status", market.status, MarketStatus.SETTLED, "the exchange")


@pytest.mark.rule("only-perpetuals")
@pytest.mark.needs("fetch_tickers")
async def test_rows_of_something_else_do_no_harm(target: Target, venue: Venue) -> None:
    """Prices and funding of all markets come without an error, for markets that are listed and for no other."""
    a_life(target)
    ids = {each.id for each in await target.run(venue.fetch_markets())}
    tickers = await target.run(venue.fetch_tickers())
    with Findings(target) as found:
        found.true({e.market_id for e in tickers} <= ids, "a ticker of a market that is not listed")
        missing = {target.id_of(spec.symbol) for spec in _specs(target)} - {e.market_id for e in tickers}
        found.true(not missing, f"no ticker of {sorted(missing)}")
        if "fetch_funding_rates" in venue.capabilities.hooks:
            rates = await target.run(venue.fetch_funding_rates())
            traded = {target.id_of(spec.symbol) for spec in _specs(target)}
            found.same_keys("funding rates", (each.market_id for each in rates), traded)
            for each in rates:
                true = target.control.exchange.funding(_symbol_of(target, each.market_id))
                found.equal(f"rate of {each.market_id}", each.value, true.rate)


def _symbol_of(target: Target, market_id: str) -> str:
    return next((e.symbol for e in _specs(target) if target.id_of(e.symbol) == market_id), market_id)


# Status and refresh


@pytest.mark.rule("market-status-follows")
async def test_a_settled_market_says_so(target: Target, venue: Venue) -> None:
    """Before it is open, after it is settled; the others stay open."""
    symbol = list(target.profile.markets.values())[1]
    before = await _listed(target, venue)
    target.control.settle_market(symbol, target.control.exchange.index_price(symbol))
    after = await _listed(target, venue)
    with Findings(target) as found:
        found.equal("before", before[symbol].status, MarketStatus.OPEN)
        if symbol in after:
            found.equal("after", after[symbol].status, MarketStatus.SETTLED)
        found.equal("another market", after[target.symbol].status, MarketStatus.OPEN)


@pytest.mark.rule("market-status-follows")
@pytest.mark.parametrize("status", [MarketStatus.POST_ONLY, MarketStatus.CANCEL_ONLY, MarketStatus.HALTED])
async def test_a_restricted_market_says_so(
    request: pytest.FixtureRequest, target: Target, venue: Venue, status: MarketStatus
) -> None:
    """What a market takes is its status, where the venue tells it at all, and it goes back with it."""
    published(request, f"Market.status:{status}")
    with Findings(target) as found:
        for each in (status, MarketStatus.OPEN):
            target.control.set_market_status(target.symbol, each)
            found.equal(f"status while {each}", (await _listed(target, venue))[target.symbol].status, each)


@pytest.mark.rule("market-status-follows")
@pytest.mark.needs("check_health")
@pytest.mark.parametrize("status", list(SystemStatus))
async def test_the_venues_own_status_is_told(
    request: pytest.FixtureRequest, target: Target, venue: Venue, status: SystemStatus
) -> None:
    """Post-only, cancel-only and maintenance of the whole exchange are seen, and that they are over."""
    published(request, f"VenueStatus:{status}")
    with Findings(target) as found:
        for each in (status, SystemStatus.OK):
            target.control.set_system_status(each)
            health = await target.run(venue.check_health())
            found.equal(f"health while {each}", health.status, VenueStatus(each.value))


@pytest.mark.rule("listings-refresh")
async def test_a_new_listing_is_found(target: Target, venue: Venue) -> None:
    """Fetched again, the listing has the market that was not there before, and it can be named."""
    before = await _listed(target, venue)
    spec = target.control.list_market("NEWCOIN", like=target.symbol)
    after = await _listed(target, venue)
    with Findings(target) as found:
        found.true(spec.symbol not in before, "the test needs a new market")
        found.true(spec.symbol in after, f"{spec.symbol} was listed and did not come")
        named = await target.run(venue.market(target.id_of(spec.symbol)))
        found.equal("its symbol", named.symbol, spec.symbol)


@pytest.mark.rule("listings-refresh")
async def test_changed_rules_are_read(target: Target, venue: Venue) -> None:
    """A new tick, a new minimum, a new fee: the next fetch has them, and what is held has them too."""
    await _listed(target, venue)
    spec = target.control.change_market(
        target.symbol,
        tick_size=target.control.exchange.market(target.symbol).tick_size * 10,
        min_notional=Decimal(23),
        fees=FeeRates(maker=Decimal("0.0001"), taker=Decimal("0.0004")),
    )
    listed = await _listed(target, venue)
    with Findings(target) as found:
        found.fields(listed[target.symbol], _rules(spec), "fetched")
        found.fields(await target.run(venue.market(target.market)), _rules(spec), "held")


@pytest.mark.rule("listings-refresh")
async def test_a_long_listing_is_complete(target: Target, venue: Venue) -> None:
    """More than six hundred markets, and all of them come."""
    for number in range(min(600, target.profile.most_markets - len(_specs(target)))):
        target.control.list_market(f"LONG{number}", like=target.symbol)
    listed = await _listed(target, venue)
    missing = [spec.symbol for spec in _specs(target) if spec.symbol not in listed]
    assert not missing, f"{len(missing)} markets of the exchange were not returned, the first is {missing[0]}"

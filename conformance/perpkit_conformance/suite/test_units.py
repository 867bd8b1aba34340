"""Times, ratios and the spelling of numbers: nothing is off by a thousand, a hundred or a digit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from perpkit.core.clock import from_ms
from perpkit.core.models import Channel, Fill, FundingRate, Model, OrderIntent, OrderType, Side, Trade
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit.sim.markets import FeeRates
from perpkit_conformance.suite.calls import READS, Caller, a_life, nearest
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target

_SECOND = timedelta(seconds=1)
_PERPETUALS_BEGAN = from_ms(1_451_606_400_000)
"""2016: no perpetual was listed before."""


def _each(hooks: Iterable[str]) -> list[Any]:
    return [pytest.param(hook, marks=pytest.mark.needs(hook), id=hook) for hook in hooks]


def _times(value: Any, where: str) -> Iterator[tuple[str, str, datetime]]:
    """Give name, place and value of every time in a model."""
    if isinstance(value, Model):
        value = dict(value)
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, datetime):
                yield str(name), f"{where}.{name}", inner
            else:
                yield from _times(inner, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _times(inner, f"{where}[{number}]")


def _hold_times(found: Findings, value: Any, what: str, start: datetime, end: datetime) -> int:
    seen = 0
    for name, where, moment in _times(value, what):
        seen += 1
        first, last = start, end
        if name == "listed_at":
            # A market that is announced may open in years.
            first, last = _PERPETUALS_BEGAN, end + timedelta(days=36_525)
        elif name in {"next_at", "expires_at"}:
            first, last = end - _SECOND, end + timedelta(days=32)
        found.true(moment.utcoffset() == timedelta(0), f"{where} is {moment}, not UTC")
        found.true(first <= moment <= last, f"{where} is {moment}, outside of {first} to {last}")
    return seen


@pytest.mark.rule("timestamps-plausible")
@pytest.mark.parametrize("hook", _each(READS))
async def test_every_time_of_an_answer_is_of_this_session(target: Target, venue: Venue, hook: str) -> None:
    """Each time on each model lies between the session's begin and now; seconds, milliseconds and more are told."""
    start = target.control.clock.now() - _SECOND
    a_life(target)
    came = await target.run(Caller(target, venue).ways(hook)[0]())
    with Findings(target) as found:
        seen = _hold_times(found, came, hook, start, target.control.clock.now() + _SECOND)
        found.true(seen or hook in {"fetch_fees", "fetch_leverage", "fetch_markets"}, f"{hook} told no time at all")


@pytest.mark.rule("timestamps-plausible")
@pytest.mark.parametrize("name", [pytest.param(e.value, marks=pytest.mark.needs(f"channel:{e}")) for e in Channel])
async def test_every_time_of_the_stream_is_of_this_session(target: Target, venue: Venue, name: str) -> None:
    """The same for each channel."""
    start = target.control.clock.now() - _SECOND
    wanted = name if Channel(name).is_private else f"{name}:{target.market}"
    target.quote()
    async with target.watch(venue, wanted) as watch:
        a_life(target)
        target.advance(2 * _SECOND)
        await target.breathe(20)
    with Findings(target) as found:
        seen, now = 0, target.control.clock.now()
        for number, event in enumerate(watch.events):
            # What is to come was to come when the event was received, not at the end of the test.
            end = min(event.ts_received, now) + _SECOND
            seen += _hold_times(found, event, f"{name}[{number}]", start, end)
        found.true(seen > len(watch.states), f"the channel {name} told no time at all")


# Whose time


@pytest.mark.rule("venue-time-apart")
@pytest.mark.needs("fetch_fills", "fetch_trades")
@pytest.mark.parametrize("error", [-20, 20], ids=["slow-clock", "fast-clock"])
async def test_the_venues_time_is_not_ours(target: Target, venue: Venue, error: int) -> None:
    """With this machine's clock wrong by 20 s the event has the ledger's time and the receipt has ours."""
    target.clock.error = error * _SECOND
    target.quote(size=Decimal(5))
    target.submit(Side.BUY, "0.1")
    target.advance(7 * _SECOND)
    with Findings(target) as found:
        for what, came, true in (
            ("fill", await target.run(venue.fetch_fills()), target.truth().fills()),
            ("trade", await target.run(venue.fetch_trades(target.market)), _tape(target)),
        ):
            found.equal(f"ts_venue of the {what}", [e.ts_venue for e in came], [from_ms(e.created_at_ms) for e in true])
            for each in came:
                away = abs(each.ts_received - target.clock.now())
                found.true(away <= _SECOND, f"ts_received of the {what} is {away} from this machine's time")


def _tape(target: Target) -> list[Any]:
    return target.control.exchange.trades(target.symbol)


@pytest.mark.rule("venue-time-apart")
@pytest.mark.needs("channel:fills", "channel:trades")
async def test_a_late_frame_keeps_the_events_time(target: Target, venue: Venue) -> None:
    """A frame that is held up for three seconds tells when it happened, and when it came."""
    target.quote(size=Decimal(5))
    async with target.watch(venue, "fills", f"trades:{target.market}") as watch:
        for channel in (Channel.FILLS, Channel.TRADES):
            target.inject(channel, FaultAction.DELAY, delay_ms=3000)
        target.submit(Side.BUY, "0.1")
        await watch.until(lambda: watch.of(Fill) and watch.of(Trade), "the fill and the trade")
    true = from_ms(target.truth().fills()[0].created_at_ms)
    with Findings(target) as found:
        fill, trade = watch.of(Fill)[0], watch.of(Trade)[0]
        found.equal("ts_venue of a late fill", fill.ts_venue, true)
        found.equal("ts_venue of a late trade", trade.ts_venue, true)
        late = max(fill.ts_received, trade.ts_received) - true
        found.true(late >= 3 * _SECOND, f"ts_received is {late} after the event; it came 3 s late")


@pytest.mark.rule("venue-time-apart")
@pytest.mark.needs("fetch_order_history")
async def test_orders_have_the_venues_times(target: Target, venue: Venue) -> None:
    """Created and last changed, as the ledger has it, whatever this machine's clock says."""
    target.clock.error = 20 * _SECOND
    a_life(target)
    for order in target.truth().open_orders():
        target.cancel_order(order.account_id, order.id)
    came = {each.venue_order_id: each for each in await target.run(venue.fetch_order_history())}
    with Findings(target) as found:
        for true in target.truth().orders():
            found.true(true.id in came, f"order {true.id} is in the ledger and was not returned")
            if true.id in came:
                wanted = {"created_at": from_ms(true.created_at_ms), "updated_at": from_ms(true.updated_at_ms)}
                found.fields(came[true.id], wanted, f"order {true.id}")


# Ratios


@pytest.mark.rule("ratios-are-fractions")
@pytest.mark.needs("fetch_fees", "fetch_fills")
async def test_a_fee_rate_times_notional_is_the_fee(target: Target, venue: Venue) -> None:
    """The rates that the plugin tells, times the notional of a fill, are the fee that was paid."""
    came = {each.market_id: each for each in await target.run(venue.fetch_fees())}
    listed = {each.id: each for each in await target.run(venue.fetch_markets())}
    for name in target.profile.markets:
        size = History(target, name).size(name)
        target.quote(name, size=size * 2)
        target.submit(Side.BUY, size, market=name)
    with Findings(target) as found:
        for fill in target.truth().fills():
            fees, notional = came[target.id_of(fill.market)], fill.price * fill.size
            found.equal(f"taker fee of {fill.market}", fees.taker * notional, fill.fee)
            found.field(listed[fees.market_id], "taker_fee", fees.taker, f"listing of {fill.market}")


@pytest.mark.rule("ratios-are-fractions")
@pytest.mark.needs("fetch_account")
async def test_a_margin_fraction_times_notional_is_the_margin(target: Target, venue: Venue) -> None:
    """The listed fractions, times the position's notional, are the margins that the account needs."""
    listed = {each.symbol: each for each in await target.run(venue.fetch_markets())}
    for name, symbol in list(target.profile.markets.items())[:1] + list(target.profile.markets.items())[2:3]:
        # The listed fraction is that of the highest leverage, which need not be what an account begins with.
        exchange = target.control.exchange
        exchange.set_margin(target.truth().account_id, symbol, leverage=exchange.market(symbol).max_leverage)
        size = History(target, name).size(name)
        target.quote(name, size=size * 2)
        target.submit(Side.SELL, size, market=name)
        initial = maintenance = Decimal(0)
        for held, position in target.truth().positions().items():
            notional = abs(position.size) * position.mark_price
            initial += notional * (listed[held].initial_margin_fraction or Decimal(0))
            maintenance += notional * (listed[held].maintenance_margin_fraction or Decimal(0))
        came = await target.run(venue.fetch_account())
        with Findings(target) as found:
            found.equal(f"initial margin, with {symbol}", came.initial_margin, initial, "fraction x notional")
            found.field(came, "maintenance_margin", maintenance, f"fraction x notional, with {symbol}")


@pytest.mark.rule("ratios-are-fractions")
async def test_listed_ratios_are_the_exchanges_fractions(target: Target, venue: Venue) -> None:
    """Fees, margins and price band of a market with figures of its own: fractions, neither percent nor basis points."""
    ratios: dict[str, Any] = {
        "fees": FeeRates(maker=Decimal("-0.00007"), taker=Decimal("0.00045")),
        "initial_margin": Decimal("0.0625"),
        "maintenance_margin": Decimal("0.03125"),
        "price_band": Decimal("0.075"),
    }
    given = {name: target.profile.market_rules.get(name, value) for name, value in ratios.items()}
    spec = target.control.list_market("RATIO", like=target.symbol, **given)
    market = next(each for each in await target.run(venue.fetch_markets()) if each.symbol == spec.symbol)
    with Findings(target) as found:
        found.fields(
            market,
            {
                "maker_fee": spec.fees.maker,
                "taker_fee": spec.fees.taker,
                "initial_margin_fraction": spec.initial_margin,
                "maintenance_margin_fraction": spec.maintenance_margin,
                "price_band": spec.price_band,
            },
            spec.symbol,
        )


@pytest.mark.rule("ratios-are-fractions")
@pytest.mark.needs("fetch_funding_rates", "channel:funding")
async def test_funding_is_a_fraction_on_every_path(target: Target, venue: Venue) -> None:
    """A rate of a hundredth of a percent is 0.0001, fetched, streamed and in the past."""
    target.control.set_funding_rate(target.symbol, Decimal("0.0001"))
    target.advance(timedelta(minutes=3))
    async with target.watch(venue, f"funding:{target.market}") as watch:
        await watch.until(lambda: watch.of(FundingRate), "a rate on the stream")
    rates = list(await target.run(venue.fetch_funding_rates([target.market])))
    if "fetch_funding_history" in venue.capabilities.hooks:
        rates += (await target.run(venue.fetch_funding_history(target.market, limit=1)))[-1:]
    with Findings(target) as found:
        for each in (*watch.of(FundingRate), *rates):
            found.equal(f"rate of {each.source}", each.value, Decimal("0.0001"))


# Spelling

_PLAIN = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_EXPONENT = re.compile(r"[-+]?\d+(\.\d+)?[eE][-+]?\d+")


def _leaves(value: Any) -> Iterator[str]:
    """Give every number of a body, as it was written."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value


def _written(text: str) -> Iterator[str]:
    """Give what stands in a body: JSON, or a form whose fields may hold JSON."""
    try:
        yield from _leaves(json.loads(text, parse_float=str, parse_int=str))
    except ValueError:
        for _, value in parse_qsl(text, keep_blank_values=True):
            yield value
            if value.startswith(("{", "[")):
                yield from _written(value)


def _numbers_sent(target: Target, begin: int) -> list[str]:
    sent: list[str] = []
    for record in list(target.recordings)[begin:]:
        body = getattr(record, "body", None) if hasattr(record, "params") else getattr(record, "data", None)
        sent += [value for _, value in getattr(record, "params", ())]
        if body:
            sent += _written(body if isinstance(body, str) else body.decode())
    return [each for each in sent if _PLAIN.fullmatch(each) or _EXPONENT.fullmatch(each)]


_SPELLINGS = [
    ("1E+5", "1E-3"),
    ("9.90E+4", "0.00100"),
    ("100000.0", "1.0E-2"),
    ("99999.90", "0.0070"),
]


@pytest.mark.rule("wire-numbers-canonical")
@pytest.mark.needs("place_order", "order_type:limit")
@pytest.mark.parametrize(("price", "size"), _SPELLINGS)
@pytest.mark.parametrize("side", list(Side))
async def test_numbers_go_out_in_plain_digits(target: Target, venue: Venue, price: str, size: str, side: Side) -> None:
    """However a Decimal is spelled, what is sent has no exponent and no digits beyond the market's grid."""
    exchange = target.control.exchange
    spec, scale = exchange.market(target.symbol), exchange.index_price(target.symbol) / 100_000
    wanted = Decimal(price) if scale == 1 else nearest(Decimal(price) * scale, spec.tick_size)
    market = await target.run(venue.market(target.market))
    begin = len(target.recordings)
    intent = OrderIntent(market_id=market.id, side=side, size=Decimal(size), price=wanted)
    order = await target.run(venue.place_order(intent))
    sent = _numbers_sent(target, begin)
    true = target.truth().order_by_client_id(order.client_order_id or "")
    with Findings(target) as found:
        found.true(true is not None, "the ledger has no such order: what was sent is not what was signed?")
        if true is not None:
            found.equal("price in the ledger", true.price, wanted, "the order")
            found.equal("size in the ledger", true.size, Decimal(size), "the order")
        _hold_spelling(found, sent, wanted, spec.tick_size, "price")
        _hold_spelling(found, sent, Decimal(size), spec.step_size, "size")


def _hold_spelling(found: Findings, sent: list[str], value: Decimal, step: Decimal, what: str) -> None:
    for each in sent:
        found.true(not _EXPONENT.fullmatch(each), f"{each} was sent, with an exponent")
    places = max(0, -int(step.normalize().as_tuple().exponent))
    for each in (text for text in sent if _PLAIN.fullmatch(text) and Decimal(text) == value):
        digits = len(each.partition(".")[2])
        found.true(digits <= places, f"the {what} was sent as {each}; the market's grid has {places} places")


@pytest.mark.rule("wire-numbers-canonical")
@pytest.mark.needs("place_order", "order_type:stop_limit", "amend_order")
async def test_triggers_and_amendments_go_out_in_plain_digits(target: Target, venue: Venue) -> None:
    """The same for a trigger price, and for the new price of an amendment."""
    exchange = target.control.exchange
    spec, index = exchange.market(target.symbol), exchange.index_price(target.symbol)
    caller, begin = Caller(target, venue), len(target.recordings)
    trigger = nearest(index * Decimal("1.1"), spec.tick_size).normalize()
    await target.run(
        venue.place_order(await caller.intent(type=OrderType.STOP_LIMIT, price=trigger, trigger_price=trigger))
    )
    resting = await target.run(venue.place_order(await caller.intent()))
    price = nearest(index * Decimal("0.9"), spec.tick_size).normalize()
    changed = await target.run(venue.amend_order(resting, price=price))
    with Findings(target) as found:
        sent = _numbers_sent(target, begin)
        true = target.truth().order(changed.venue_order_id or "")
        found.true(true is not None, "the ledger has no such order")
        if true is not None:
            found.equal("price after the amendment", true.price, price, "the amendment")
        _hold_spelling(found, sent, trigger, spec.tick_size, "trigger price")
        _hold_spelling(found, sent, price, spec.tick_size, "amended price")


@pytest.mark.rule("wire-numbers-canonical")
@pytest.mark.parametrize("hook", _each(READS))
async def test_queries_go_out_in_plain_digits(target: Target, venue: Venue, hook: str) -> None:
    """Limits, depths and times of queries are whole and have no exponent."""
    a_life(target)
    caller, begin = Caller(target, venue), len(target.recordings)
    for way in caller.ways(hook):
        await caller.attempt(way)
    with Findings(target) as found:
        for each in _numbers_sent(target, begin):
            found.true(_PLAIN.fullmatch(each), f"{hook} sent {each}")

"""Prices, books, tape and candles, and that every size is in base units."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.clock import from_ms
from perpkit.core.models import BookSnapshot, Fill, Order, Position, PriceKind, Side, Ticker, Trade
from perpkit.core.venue import Venue
from perpkit.sim import market_data as ledger
from perpkit_conformance.fixtures import published
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target

# Units


@pytest.mark.rule("sizes-are-base-units")
@pytest.mark.needs("fetch_positions", "fetch_fills", "fetch_order_history")
async def test_fetched_sizes_are_in_base_units(target: Target, venue: Venue) -> None:
    """Orders, fills, positions, book and tape of every market have the ledger's sizes."""
    truth = _trade_everywhere(target)
    fills, orders = await target.run(venue.fetch_fills()), await target.run(venue.fetch_order_history())
    with Findings(target) as found:
        _same_sizes(found, "fill", {e.fill_id: e.size for e in fills}, {e.id: e.size for e in truth.fills()})
        _same_sizes(found, "order", {str(e.venue_order_id): e.size for e in orders}, _order_sizes(target))
        _same_sizes(
            found,
            "position",
            {each.market_id: each.size for each in await target.run(venue.fetch_positions())},
            {target.id_of(symbol): each.size for symbol, each in truth.positions().items()},
        )
        for name, symbol in target.profile.markets.items():
            if "fetch_order_book" in venue.capabilities.hooks:
                book = await target.run(venue.fetch_order_book(name))
                true = target.control.exchange.book(symbol)
                found.equal(f"book sizes of {name}", [e.size for e in book.bids], [e.size for e in true.bids])
            if "fetch_trades" in venue.capabilities.hooks:
                tape = await target.run(venue.fetch_trades(name))
                wanted = [e.size for e in target.control.exchange.trades(symbol)]
                found.equal(f"sizes of the tape of {name}", [e.size for e in tape], wanted)


@pytest.mark.rule("sizes-are-base-units")
@pytest.mark.needs("channel:orders", "channel:fills", "channel:positions", "channel:book", "channel:trades")
async def test_streamed_sizes_are_in_base_units(target: Target, venue: Venue) -> None:
    """The same over the stream."""
    public = [f"{kind}:{name}" for name in target.profile.markets for kind in ("book", "trades")]
    async with target.watch(venue, "orders", "fills", "positions", *public) as watch:
        truth = _trade_everywhere(target)
        await watch.until(lambda: len(watch.of(Fill)) >= len(truth.fills()), "every fill on the stream")
        await target.breathe(20)
    with Findings(target) as found:
        _same_sizes(found, "fill", {e.fill_id: e.size for e in watch.of(Fill)}, {e.id: e.size for e in truth.fills()})
        _same_sizes(found, "order", {str(e.venue_order_id): e.size for e in watch.of(Order)}, _order_sizes(target))
        _same_sizes(
            found,
            "position",
            {each.market_id: each.size for each in watch.of(Position)},
            {target.id_of(symbol): each.size for symbol, each in truth.positions().items()},
        )
        for symbol in target.profile.markets.values():
            wanted = [each.size for each in target.control.exchange.trades(symbol)]
            tape = [each.size for each in watch.of(Trade) if each.market_id == target.id_of(symbol)]
            found.equal(f"sizes of the tape of {symbol}", tape, wanted)
            sizes = {
                level.size
                for each in watch.of(BookSnapshot)
                if each.market_id == target.id_of(symbol)
                for level in (*each.bids, *each.asks)
            }
            base = History(target, target.id_of(symbol).partition("@")[0]).size(target.id_of(symbol).partition("@")[0])
            found.true(not sizes or max(sizes) <= base * 3, f"a level of the book of {symbol} is {sizes}")


def _trade_everywhere(target: Target) -> Any:
    for name in target.profile.markets:
        size = History(target, name).size(name)
        target.quote(name, size=size * 3, levels=4)
        target.submit(Side.BUY, size * 2, market=name)
        target.submit(Side.SELL, size, market=name)
    return target.truth()


def _order_sizes(target: Target) -> dict[str, Decimal]:
    return {each.id: each.size for each in target.truth().orders()}


def _same_sizes(found: Findings, what: str, came: dict[str, Decimal], expected: dict[str, Decimal]) -> None:
    found.same_keys(f"{what}s", list(came), expected)
    for key in came.keys() & expected.keys():
        found.equal(f"size of {what} {key}", came[key], expected[key])


# Public data


@pytest.mark.rule("public-data-is-exact")
@pytest.mark.needs("fetch_ticker", "fetch_tickers")
async def test_tickers_are_the_exchanges_prices(target: Target, venue: Venue) -> None:
    """Best prices, last, mark, index, volume and open interest of every market, asked for alone and with the rest."""
    _busy(target)
    together = {each.market_id: each for each in await target.run(venue.fetch_tickers())}
    with Findings(target) as found:
        for name, symbol in target.profile.markets.items():
            true = target.control.exchange.stats(symbol)
            for what, came in (
                (f"{name} alone", await target.run(venue.fetch_ticker(name))),
                (f"{name} with the rest", together.get(target.id_of(symbol))),
            ):
                found.true(came is not None, f"no ticker of {what}")
                if came is not None:
                    _same_ticker(found, came, true, what)


def _same_ticker(found: Findings, came: Ticker, true: ledger.MarketStats, what: str) -> None:
    bid, ask = true.bbo.bid, true.bbo.ask
    found.fields(
        came,
        {
            "bid_price": bid and bid.price,
            "ask_price": ask and ask.price,
            "last_price": true.last_price,
            "mark_price": true.mark_price,
            "index_price": true.index_price,
            "notional_24h": true.volume_24h,
            "open_interest": true.open_interest,
        },
        what,
    )


def _busy(target: Target) -> None:
    """Trade in every market, from the exchange's own accounts and from ours, at prices that differ everywhere."""
    for number, name in enumerate(target.profile.markets):
        history, symbol = History(target, name), target.symbol_of(name)
        index = target.control.exchange.index_price(symbol)
        tick = target.control.exchange.market(symbol).tick_size
        target.control.set_price(symbol, index=index + 7 * tick, mark=index + 11 * tick)
        size = history.size(name)
        target.quote(name, size=size * 3, levels=6, ticks_apart=2)
        for turn in range(5):
            target.submit(list(Side)[(turn + number) % 2], size * (turn + 1), market=name)
            target.advance(timedelta(seconds=17))


@pytest.mark.rule("public-data-is-exact")
@pytest.mark.needs("fetch_order_book")
@pytest.mark.parametrize("depth", [None, 1, 3])
async def test_the_book_is_the_exchanges(target: Target, venue: Venue, depth: int | None) -> None:
    """Both sides, best first, digit for digit, no deeper than asked."""
    _busy(target)
    with Findings(target) as found:
        for name, symbol in target.profile.markets.items():
            came = await target.run(venue.fetch_order_book(name, depth=depth))
            true = target.control.exchange.book(symbol, depth)
            found.equal(f"{name}: market", came.market_id, target.id_of(symbol))
            for side, levels, wanted in (("bids", came.bids, true.bids), ("asks", came.asks, true.asks)):
                levels_came = [(each.price, each.size) for each in levels]
                found.equal(f"{name}: {side}", levels_came, [(each.price, each.size) for each in wanted])


@pytest.mark.rule("public-data-is-exact")
@pytest.mark.needs("fetch_trades")
async def test_the_tape_is_the_exchanges(target: Target, venue: Venue) -> None:
    """Every trade once, oldest first, with the taker's side, price, size, id and time; windows and limits hold."""
    _busy(target)
    with Findings(target) as found:
        for name, symbol in target.profile.markets.items():
            true = target.control.exchange.trades(symbol)
            _same_tape(found, await target.run(venue.fetch_trades(name)), true, name)
            first, last = true[1].created_at_ms, true[-1].created_at_ms
            window = await target.run(venue.fetch_trades(name, since=from_ms(first), until=from_ms(last)))
            wanted = [each for each in true if first <= each.created_at_ms < last]
            _same_tape(found, window, wanted, f"{name} in a window")
            _same_tape(found, await target.run(venue.fetch_trades(name, limit=2)), true[-2:], f"the newest of {name}")


def _same_tape(found: Findings, came: list[Trade], true: Iterable[Any], what: str) -> None:
    true = list(true)
    found.equal(
        f"tape of {what}",
        [(e.side, e.price, e.size, e.ts_venue) for e in came],
        [(e.side, e.price, e.size, from_ms(e.created_at_ms)) for e in true],
    )
    found.equal(f"ids of the tape of {what}", len({each.trade_id for each in came}), len(true), "the number of trades")


@pytest.mark.rule("public-data-is-exact")
@pytest.mark.needs("fetch_candles")
@pytest.mark.parametrize("kind", list(PriceKind))
async def test_candles_are_the_exchanges(
    request: pytest.FixtureRequest, target: Target, venue: Venue, kind: PriceKind
) -> None:
    """Open, high, low, close and volume of trades; of the mark and the index where they are asked for."""
    published(request, f"Candle:{kind}")
    _busy(target)
    start = target.control.clock.now()
    _busy(target)
    target.advance(timedelta(minutes=3))
    interval = min(venue.capabilities.candle_intervals)
    begin = start - (start - from_ms(0)) % interval - 2 * interval
    came = await target.run(
        venue.fetch_candles(target.market, interval, since=begin, until=target.control.clock.now(), price_kind=kind)
    )
    true = target.control.exchange.candles(
        target.symbol,
        interval,
        since_ms=int(begin.timestamp() * 1000),
        until_ms=target.control.clock.now_ms() - 1,
        kind=kind,
    )
    assert true, "the test needs candles"
    with Findings(target) as found:
        found.equal("when candles open", [e.opened_at for e in came], [from_ms(e.start_ms) for e in true])
        for bar, wanted in zip(came, true, strict=False):
            what = f"candle of {bar.opened_at:%H:%M}"
            for name in ("open", "high", "low", "close"):
                found.equal(f"{what}: {name}", getattr(bar, name), getattr(wanted, name))
            if kind is PriceKind.LAST:
                found.equal(f"{what}: volume", bar.volume, wanted.volume)
            else:
                found.field(bar, "volume", wanted.volume, what)
            found.equal(f"{what}: interval", bar.interval, interval, "the request")


@pytest.mark.rule("public-data-is-exact")
@pytest.mark.needs("channel:ticker", "channel:trades")
async def test_streamed_prices_are_the_exchanges(target: Target, venue: Venue) -> None:
    """The last ticker of the stream has the exchange's figures, and its tape is the exchange's."""
    names = list(target.profile.markets)
    async with target.watch(venue, *(f"{kind}:{each}" for each in names for kind in ("ticker", "trades"))) as watch:
        _busy(target)
        target.advance(timedelta(seconds=2))
        await target.breathe(30)
    with Findings(target) as found:
        for name in names:
            symbol, market_id = target.symbol_of(name), target.id_of(target.symbol_of(name))
            tickers = [each for each in watch.of(Ticker) if each.market_id == market_id]
            found.true(tickers, f"no ticker of {name} came")
            if tickers:
                _same_ticker(found, tickers[-1], target.control.exchange.stats(symbol), f"{name} on the stream")
            tape = [each for each in watch.of(Trade) if each.market_id == market_id]
            _same_tape(found, tape, target.control.exchange.trades(symbol), f"{name} on the stream")


@pytest.mark.rule("public-data-is-exact")
@pytest.mark.needs("fetch_ticker")
async def test_numbers_of_many_digits_stay_whole(target: Target, venue: Venue) -> None:
    """A price that a float can't hold comes back whole."""
    price = Decimal("98765.432109876543")
    target.control.set_price(target.symbol, index=price, mark=price + Decimal("0.000000000001"))
    ticker = await target.run(venue.fetch_ticker(target.market))
    with Findings(target) as found:
        found.equal("index_price", ticker.index_price, price)
        found.field(ticker, "mark_price", price + Decimal("0.000000000001"), "ticker")

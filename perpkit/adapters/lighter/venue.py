"""
The Lighter plugin: each hook encodes, calls and decodes. Order commands and reads are in ``orders.py``, what hooks
share is in ``session.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from perpkit.adapters.lighter import decode, decode_account, encode, endpoints, schema
from perpkit.adapters.lighter.config import ENVIRONMENTS, VENUE, LighterSettings
from perpkit.adapters.lighter.credentials import FIELDS, find_credentials
from perpkit.adapters.lighter.listings import Listings
from perpkit.adapters.lighter.order_ids import CLIENT_ORDER_ID
from perpkit.adapters.lighter.orders import Orders
from perpkit.adapters.lighter.session import Session
from perpkit.adapters.lighter.signing import tx as codes
from perpkit.adapters.lighter.signing.tx import UpdateLeverage
from perpkit.adapters.lighter.stream import LighterStream
from perpkit.adapters.lighter.transactions import Transactions
from perpkit.core.capabilities import Capabilities, VenueDescription
from perpkit.core.clock import to_ms
from perpkit.core.context import VenueContext
from perpkit.core.errors import CapabilityError, DecodeError, PerpkitError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import (
    AccountSummary,
    Balance,
    BookSnapshot,
    CancelResult,
    Candle,
    Channel,
    Fill,
    FundingAccrual,
    FundingPayment,
    FundingRate,
    LeverageSetting,
    MarginMode,
    Market,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderType,
    Position,
    PriceKind,
    SelfTradePrevention,
    Subscription,
    Ticker,
    TimeInForce,
    Trade,
    TradingFees,
    VenueHealth,
    VenueStatus,
)
from perpkit.core.streams.protocol import StreamSource
from perpkit.core.transport.pages import collect
from perpkit.core.windows import ceil_ms, in_order, is_inside

log = logging.getLogger(__name__)

T = TypeVar("T")

_MODES: Final = {MarginMode.CROSS: codes.CROSS, MarginMode.ISOLATED: codes.ISOLATED}
_CANDLES: Final = {PriceKind.LAST: endpoints.CANDLES, PriceKind.MARK: endpoints.MARK_CANDLES}


class LighterVenue:
    """
    The plugin. Its settings are those of :class:`LighterSettings` and the credentials of ``credentials.FIELDS``.

    Raises:
        ConfigError: A setting is unknown or wrong.
        CredentialsError: A credential is malformed, expired, or kept in a file that others can read.
    """

    def __init__(self, context: VenueContext) -> None:
        self._settings = LighterSettings.load(context.environment, context.settings, credentials=FIELDS)
        credentials = find_credentials(context.settings, context.environ, now=context.clock.now())
        self._context = context
        self._clock = context.clock
        self._session = Session(context, self._settings, credentials)
        self._rest = self._session.rest
        self._listings = Listings(context.markets)
        self._sender = Transactions(self._session, context.clock, context.redactor)
        self._orders = Orders(self._session, context, self._listings, self._sender)

    # Lifecycle

    @hookimpl
    def describe_venue(self) -> VenueDescription:
        """Describe Lighter and what of it this plugin serves."""
        return VenueDescription(
            name=VENUE,
            title="Lighter",
            environments=ENVIRONMENTS,
            capabilities=Capabilities(
                channels=frozenset(Channel),
                order_types=frozenset(OrderType),
                # There is no fill-or-kill (lighter-go).
                times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.GTD}),
                post_only=True,
                reduce_only=True,
                self_trade_prevention=frozenset(SelfTradePrevention),
                margin_modes=frozenset(MarginMode),
                funding_accrual=FundingAccrual.DISCRETE,
                async_acceptance=True,
                never_accepted_after=endpoints.TX_LIFE,
                max_batch_size=endpoints.MAX_BATCH,
                client_order_id=CLIENT_ORDER_ID,
                candle_intervals=frozenset(endpoints.RESOLUTIONS),
            ),
            rate_limits=endpoints.rate_limits(self._settings.tier),
            docs="https://apidocs.lighter.xyz",
        )

    @hookimpl
    async def start(self) -> None:
        """Open the connection pool; nothing is asked."""
        await self._session.open()

    @hookimpl
    async def stop(self) -> None:
        """Close what is open. Open orders stay."""
        await self._session.close()

    @hookimpl
    async def check_health(self) -> VenueHealth:
        """Return whether the venue answers and how its clock compares with ours; it tells whole seconds."""
        reading = await self._session.measure_clock()
        return VenueHealth(
            venue=VENUE,
            status=VenueStatus.OK,
            server_time=reading.server_time,
            clock_skew=reading.skew,
            round_trip=reading.round_trip,
            ts_received=self._clock.now(),
        )

    # Markets

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """Return every perpetual. A row that can't be read is logged and left out; the rest load."""
        rows, markets = [], []
        for row in await self._rest.get_order_book_details():
            try:
                markets.append(decode.market(row))
                rows.append(row)
            except DecodeError as error:
                log.warning("a market is left out: %s", error)
        self._listings.learn(rows)
        return markets

    @hookimpl
    async def fetch_ticker(self, market: Market) -> Ticker:
        """Return one market's prices, from its details and the best two orders of its book."""
        index = self._listings.of(market).index
        row, book = await asyncio.gather(self._details(market), self._rest.get_order_book_orders(index, 1))
        return decode.ticker(row, book, market, self._clock.now())

    @hookimpl
    async def fetch_tickers(self) -> list[Ticker]:
        """Return the prices of every perpetual, in one request; it holds no best quotes."""
        rows = await self._rest.get_order_book_details()
        now = self._clock.now()
        return [
            decode.ticker(row, None, listed, now) for row, listed in await self._listings.with_markets(rows, _market_id)
        ]

    @hookimpl
    async def fetch_order_book(self, market: Market, depth: int | None) -> BookSnapshot:
        """Return the book, best levels first, from its best 250 orders a side."""
        asked = endpoints.MAX_BOOK_ROWS
        rows = await self._rest.get_order_book_orders(self._listings.of(market).index, asked)
        return decode.order_book(rows, market, self._clock.now(), asked=asked, depth=depth)

    @hookimpl
    async def fetch_trades(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Trade]:
        """Return the tape, oldest first; the newest hundred where neither a start nor a limit is given."""
        index = self._listings.of(market).index
        if since is None and until is None and (limit or 0) <= endpoints.MAX_ROWS:
            rows = await self._rest.get_recent_trades(index, limit or endpoints.MAX_ROWS)
        else:
            pages = self._rest.pages_of_trades({"market_id": index}, private=False)
            rows = await _gathered(pages, since, until, _or_page(since, limit), lambda row: row.timestamp)
        now = self._clock.now()
        return in_order([decode.trade(row, market, now) for row in rows], since, until, lambda each: each.trade_id)

    @hookimpl
    async def fetch_candles(
        self, market: Market, interval: timedelta, since: datetime, until: datetime, price_kind: PriceKind
    ) -> list[Candle]:
        """Return bars, oldest first. Windows of a bounded number of bars are asked for in turn."""
        path = _CANDLES.get(price_kind)
        if path is None:
            msg = f"no bars of {price_kind} prices on {VENUE}; it has those of trades and of the mark price"
            raise CapabilityError(msg, venue=VENUE, operation="fetch_candles")
        resolution, index = encode.resolution(interval), self._listings.of(market).index
        found: dict[datetime, Candle] = {}
        start = since
        while start < until:
            end = min(start + interval * endpoints.CANDLES_PER_REQUEST, until)
            rows = await self._rest.get_candles(
                path, {"market_id": index, "resolution": resolution, **_bounds(start, end), "count_back": 0}
            )
            for row in rows:
                bar = decode.candle(row, market, interval, traded=price_kind is PriceKind.LAST)
                if since <= bar.opened_at < until:
                    found[bar.opened_at] = bar
            start = end
        return [found[opened_at] for opened_at in sorted(found)]

    # Funding

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        """Return the rates that the hour is heading for, with the prices that they are paid on."""
        rates, details = await asyncio.gather(self._rest.get_funding_rates(), self._rest.get_order_book_details())
        prices = {row.market_id: row for row in details}
        now = self._clock.now()
        wanted = {market.id for market in markets} if markets is not None else None
        own = [row for row in rates if row.exchange == decode.OURS]
        return [
            rate
            for row, listed in await self._listings.with_markets(own, _market_id)
            if (wanted is None or listed.id in wanted)
            and (rate := decode.funding_from_rates(row, listed, now, prices.get(row.market_id))) is not None
        ]

    @hookimpl
    async def fetch_funding_history(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingRate]:
        """Return settled hours, oldest first; the last hundred where neither a start nor a limit is given."""
        now = self._clock.now()
        # The end is not part of the period, and an hour that ends at this moment is settled.
        end = now + endpoints.FUNDING_PERIOD
        end = min(until, end) if until is not None else end
        hours = endpoints.FUNDINGS_PER_REQUEST if limit is None else limit
        start = since if since is not None else end - endpoints.FUNDING_PERIOD * (hours + 1)
        found: dict[datetime, FundingRate] = {}
        index = self._listings.of(market).index
        while start < end:
            # The newest first: a limit then needs no more requests than it has pages.
            begin = max(start, end - endpoints.FUNDING_PERIOD * endpoints.FUNDINGS_PER_REQUEST)
            rows = await self._rest.get_fundings(
                {"market_id": index, "resolution": "1h", **_bounds(begin, end), "count_back": 0}
            )
            for row in rows:
                rate = decode.settled_funding(row, market, now)
                if is_inside(rate.effective_at, since, until):
                    found[rate.effective_at] = rate
            end = begin
            if limit is not None and len(found) >= limit:
                break
        rates = [found[at] for at in sorted(found)]
        return rates[-limit:] if limit is not None else rates

    @hookimpl
    async def fetch_funding_payments(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingPayment]:
        """Return funding paid or received, oldest first."""
        index = self._listings.of(market).index if market is not None else endpoints.ALL_MARKETS
        account = await self._session.account_index()
        bounds = {"start_timestamp": ceil_ms(since)} if since is not None else {}
        pages = self._rest.pages_of_position_funding(account, index, bounds)
        # Rows are dated in seconds, bounds in milliseconds.
        rows = await _gathered(pages, since, until, limit, lambda row: row.timestamp * 1000)
        now = self._clock.now()
        payments = in_order(
            [
                decode_account.funding_payment(row, listed, now)
                for row, listed in await self._listings.with_markets(rows, _market_id)
            ],
            since,
            until,
            lambda each: each.payment_id,
        )
        return payments[-limit:] if limit is not None else payments

    # Account

    @hookimpl
    async def fetch_account(self) -> AccountSummary:
        """Return equity, free collateral and margins."""
        row = await self._session.account()
        needs: dict[int, Decimal] = {}
        for each, listed in await self._listings.with_markets(row.positions or (), _market_id):
            needs[each.market_id] = decode_account.maintenance_margin(each, self._listings.of(listed))
        return decode_account.account(row, self._clock.now(), lambda each: needs.get(each.market_id, decode.ZERO))

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """Return what backs the account's perpetuals."""
        return decode_account.balances(await self._session.account(), self._clock.now())

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """Return every open position. One row that can't be read fails the whole: a gap here would look flat."""
        row = await self._session.account()
        now = self._clock.now()
        open_rows = [each for each in row.positions or () if each.position]
        pairs = await self._listings.with_markets(open_rows, _market_id)
        if len(pairs) != len(open_rows):
            lacking = sorted({each.market_id for each in open_rows} - {each.market_id for each, _ in pairs})
            msg = f"there is a position in market {lacking[0]}, which the listing does not hold"
            raise DecodeError(msg, venue=VENUE, operation=f"GET {endpoints.ACCOUNT}")
        return [decode_account.position(each, listed, now) for each, listed in pairs]

    @hookimpl
    async def fetch_fees(self, markets: Sequence[Market] | None) -> list[TradingFees]:
        """Return what this account pays, the same in every market."""
        row = await self._rest.get_account_limits(await self._session.account_index())
        listed = list(markets) if markets is not None else list(self._context.markets.all.values())
        return [decode_account.trading_fees(row, market) for market in listed]

    @hookimpl
    async def fetch_leverage(self, market: Market) -> LeverageSetting:
        """Return the account's setting for a market, or the market's default where it has none."""
        listing = self._listings.of(market)
        rows = (await self._session.account()).positions or ()
        row = next((each for each in rows if each.market_id == listing.index), None)
        return decode_account.leverage(row, listing, market)

    @hookimpl
    async def set_leverage(self, market: Market, leverage: Decimal) -> LeverageSetting:
        """Set the leverage, keep the margin mode, and return what the venue then says."""
        fraction = encode.margin_fraction(leverage, self._listings.of(market))
        current = await self.fetch_leverage(market)
        return await self._set_leverage(market, fraction, current.margin_mode, "set_leverage")

    @hookimpl
    async def set_margin_mode(self, market: Market, mode: MarginMode) -> LeverageSetting:
        """Set cross or isolated and keep the leverage. The venue wants neither position nor order in the market."""
        current = await self.fetch_leverage(market)
        fraction = encode.margin_fraction(current.leverage, self._listings.of(market))
        return await self._set_leverage(market, fraction, mode, "set_margin_mode")

    @hookimpl
    async def adjust_margin(self, market: Market, amount: Decimal) -> None:
        """Move collateral to or from an isolated position; the venue has no such thing for cross margin."""
        operation = "adjust_margin"
        tx = encode.margin_change(amount, self._listings.of(market))
        hashes = await self._sender.send([tx], operation=operation)
        await self._sender.settled(hashes[0], operation=operation)

    async def _set_leverage(self, market: Market, fraction: int, mode: MarginMode, operation: str) -> LeverageSetting:
        tx = UpdateLeverage(market=self._listings.of(market).index, fraction=fraction, mode=_MODES[mode])
        hashes = await self._sender.send([tx], operation=operation)
        await self._sender.settled(hashes[0], operation=operation)
        return await self.fetch_leverage(market)

    # Orders

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """Send one order; the venue answers before its sequencer looks at it."""
        return await self._orders.place(intent)

    @hookimpl
    async def place_orders(self, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
        """Send up to fifty orders in one request."""
        return await self._orders.place_many(intents)

    @hookimpl
    async def amend_order(self, order: Order, amendment: OrderAmendment) -> Order:
        """Change price, size or trigger of an open order; it keeps its id."""
        return await self._orders.amend(order, amendment)

    @hookimpl
    async def cancel_order(self, order: OrderRef) -> CancelResult:
        """Have the venue cancel one order, by its id or by ours."""
        return await self._orders.cancel(order)

    @hookimpl
    async def cancel_orders(self, orders: Sequence[OrderRef]) -> list[CancelResult | PerpkitError]:
        """Have the venue cancel several orders."""
        return await self._orders.cancel_many(orders)

    @hookimpl
    async def cancel_all_orders(self, market: Market | None) -> None:
        """Have the venue cancel every open order of a market or of the account."""
        await self._orders.cancel_all(market)

    @hookimpl
    async def set_dead_man_switch(self, after: timedelta | None) -> None:
        """Schedule a cancel of all orders; set anew in time, it never comes to pass."""
        await self._orders.set_dead_man_switch(after)

    @hookimpl
    async def fetch_order(self, order: OrderRef) -> Order:
        """Return one order, open or of the last 24 hours."""
        return await self._orders.fetch(order)

    @hookimpl
    async def fetch_open_orders(self, market: Market | None) -> list[Order]:
        """Return every open order."""
        return await self._orders.fetch_open(market)

    @hookimpl
    async def fetch_order_history(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Order]:
        """Return orders that are over, oldest first."""
        return await self._orders.fetch_history(market, since, until, limit)

    @hookimpl
    async def fetch_fills(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Fill]:
        """Return this account's fills, oldest first."""
        account = await self._session.account_index()
        index = self._listings.of(market).index if market is not None else endpoints.ALL_MARKETS
        pages = self._rest.pages_of_trades({"account_index": account, "market_id": index}, private=True)
        rows = await _gathered(pages, since, until, limit, lambda row: row.timestamp)
        now = self._clock.now()
        await self._session.client_ids.refresh()
        named = self._session.client_ids.text_of
        fills = [
            decode_account.fill(row, listed, now, account, named)
            for row, listed in await self._listings.with_markets(rows, _market_id)
        ]
        fills = in_order(fills, since, until, lambda each: each.fill_id)
        return fills[-limit:] if limit is not None else fills

    # Streams

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> StreamSource:
        """Return the words for the streams; the core runs them."""
        return LighterStream(
            url=self._settings.ws_address,
            listings=self._listings,
            session=self._session,
            orders=self._orders,
            redactor=self._context.redactor,
        )

    # Plumbing

    async def _details(self, market: Market) -> schema.OrderBookDetail:
        index = self._listings.of(market).index
        for row in await self._rest.get_order_book_details(index):
            if row.market_id == index:
                return row
        msg = f"the answer holds no prices of {market.id}"
        raise DecodeError(msg, venue=VENUE, operation=f"GET {endpoints.ORDER_BOOK_DETAILS}")


class _OfMarket(Protocol):
    """A row that names its market."""

    @property
    def market_id(self) -> int: ...


def _market_id(row: _OfMarket) -> int:
    return row.market_id


def _bounds(since: datetime, until: datetime) -> dict[str, int]:
    """Return the query of a half-open period: milliseconds, the end is not part of it."""
    return {"start_timestamp": ceil_ms(since), "end_timestamp": ceil_ms(until)}


def _or_page(since: datetime | None, limit: int | None) -> int | None:
    """Bound what nobody bounded: a public history goes back for years."""
    return endpoints.MAX_ROWS if since is None and limit is None else limit


async def _gathered(
    pages: AsyncIterator[list[T]],
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    at_ms: Callable[[T], int],
) -> list[T]:
    """Collect pages, newest first; what is younger than the period does not count against the limit."""
    end = ceil_ms(until) if until is not None else None

    async def inside() -> AsyncIterator[list[T]]:
        async for page in pages:
            yield [row for row in page if end is None or at_ms(row) < end]

    start = to_ms(since) if since is not None else None
    return await collect(inside(), limit=limit, since=start, time=at_ms)

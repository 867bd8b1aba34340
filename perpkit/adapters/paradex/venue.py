"""
The Paradex plugin: each hook encodes, calls and decodes. Order commands and reads are in ``orders.py``, what hooks
share is in ``session.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from perpkit.adapters.paradex import decode, decode_account, decode_book, encode, endpoints, schema
from perpkit.adapters.paradex.config import ENVIRONMENTS, VENUE, ParadexSettings
from perpkit.adapters.paradex.credentials import FIELDS, find_credentials
from perpkit.adapters.paradex.memory import Balances, OrderMemory
from perpkit.adapters.paradex.order_socket import OrderSocket
from perpkit.adapters.paradex.orders import Orders
from perpkit.adapters.paradex.session import Session
from perpkit.adapters.paradex.stream import ParadexStream
from perpkit.core.capabilities import Capabilities, ClientOrderIdRule, VenueDescription
from perpkit.core.context import VenueContext
from perpkit.core.errors import ConfigError, CredentialsError, DecodeError, PerpkitError
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
    FundingKind,
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
)
from perpkit.core.streams.protocol import StreamSource
from perpkit.core.transport.http import ParamValue
from perpkit.core.windows import ceil_ms, in_order, is_inside

log = logging.getLogger(__name__)

T = TypeVar("T")

_PRICE_KINDS: Final = {PriceKind.LAST: "last", PriceKind.MARK: "mark", PriceKind.INDEX: "underlying"}
_MARGIN_TYPES: Final = {MarginMode.CROSS: "CROSS", MarginMode.ISOLATED: "ISOLATED"}


_PERPETUAL: Final = "-PERP"
"""How the symbol of a perpetual ends, and no other's does."""


class ParadexVenue:
    """
    The plugin. Its settings are those of :class:`ParadexSettings` and the credentials of ``credentials.FIELDS``.

    Raises:
        ConfigError: A setting is unknown or wrong.
        CredentialsError: A credential is malformed, expired, or kept in a file that others can read.
    """

    def __init__(self, context: VenueContext) -> None:
        self._settings = ParadexSettings.load(context.environment, context.settings, credentials=FIELDS)
        credentials = find_credentials(context.settings, context.environ, now=context.clock.now())
        self._context = context
        self._clock = context.clock
        self._session = Session(context, self._settings, credentials)
        self._rest = self._session.rest
        self._memory = OrderMemory()
        self._balances = Balances()
        self._socket = self._order_socket()
        self._orders = Orders(self._session, context, self._memory, self._socket)

    def _order_socket(self) -> OrderSocket | None:
        if self._settings.order_entry != "ws":
            return None
        if not self._session.credentials.can_sign or self._session.tokens is None:
            msg = "order_entry='ws' needs a key that signs: private_key or subkey"
            raise CredentialsError(msg, venue=VENUE)
        return OrderSocket(
            url=self._settings.ws_address,
            tokens=self._session.tokens,
            limiter=self._session.limiter,
            context=self._context,
            cancel_on_disconnect=self._settings.cancel_on_disconnect,
            answer_within=self._settings.request_timeout,
        )

    # Lifecycle

    @hookimpl
    def describe_venue(self) -> VenueDescription:
        """Describe Paradex and what of it this plugin serves."""
        window_ms = self._settings.recv_window_ms
        return VenueDescription(
            name=VENUE,
            title="Paradex",
            environments=ENVIRONMENTS,
            capabilities=Capabilities(
                channels=frozenset(Channel),
                order_types=frozenset(OrderType),
                # There is no FOK and no GTD (OpenAPI `responses.OrderInstruction`).
                times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
                post_only=True,
                reduce_only=True,
                self_trade_prevention=frozenset(SelfTradePrevention),
                margin_modes=frozenset(MarginMode),
                funding_accrual=FundingAccrual.CONTINUOUS,
                async_acceptance=True,
                never_accepted_after=(
                    timedelta(milliseconds=window_ms) if window_ms is not None else endpoints.DEFAULT_RECV_WINDOW
                ),
                max_batch_size=endpoints.MAX_BATCH,
                client_order_id=ClientOrderIdRule(max_length=endpoints.MAX_CLIENT_ID),
                order_options=encode.OPTIONS,
                candle_intervals=frozenset(timedelta(minutes=each) for each in endpoints.KLINE_MINUTES),
            ),
            rate_limits=endpoints.RATE_LIMITS,
            docs="https://docs.paradex.trade",
        )

    @hookimpl
    async def start(self) -> None:
        """Open the connection pool; nothing is asked."""
        await self._session.open()

    @hookimpl
    async def stop(self) -> None:
        """Close what is open. Open orders stay: cancel-on-disconnect, for connections that break, is switched off."""
        if self._socket is not None:
            await self._socket.close()
        await self._session.close()

    @hookimpl
    async def check_health(self) -> VenueHealth:
        """Return the system's state and how its clock compares with ours."""
        state = await self._rest.get_system_state()
        reading = await self._session.measure_clock()
        return VenueHealth(
            venue=VENUE,
            status=decode.venue_status(state),
            message=state.status,
            server_time=reading.server_time,
            clock_skew=reading.skew,
            round_trip=reading.round_trip,
            ts_received=self._clock.now(),
        )

    # Markets

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """Return every perpetual. A row that can't be read is logged and left out; the rest load."""
        now = self._clock.now()
        interactive = self._settings.is_interactive
        markets = []
        for row in await self._rest.get_markets():
            try:
                markets.append(decode.market(row, now, interactive=interactive))
            except DecodeError as error:
                log.warning("a market is left out: %s", error)
        return markets

    @hookimpl
    async def fetch_ticker(self, market: Market) -> Ticker:
        """Return one market's prices."""
        return decode.ticker(await self._summary(market), market, self._clock.now())

    @hookimpl
    async def fetch_tickers(self) -> list[Ticker]:
        """Return the prices of every perpetual, in one request."""
        rows = await self._rest.get_markets_summary(endpoints.ALL)
        now = self._clock.now()
        pairs = await self._context.markets.with_markets(rows, lambda row: row.symbol)
        return [decode.ticker(row, market, now) for row, market in pairs]

    @hookimpl
    async def fetch_order_book(self, market: Market, depth: int | None) -> BookSnapshot:
        """Return the book, best levels first."""
        row = await self._rest.get_orderbook(market.symbol, depth)
        book = decode_book.order_book(row, market, self._clock.now())
        if depth is None:
            return book
        return book.replace(bids=book.bids[:depth], asks=book.asks[:depth])

    @hookimpl
    async def fetch_trades(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Trade]:
        """
        Return the tape, oldest first; the newest page where neither a start nor a limit is given. A trade that can't
        be read is logged and left out.
        """
        query: dict[str, ParamValue] = {"market": market.symbol, **encode.window(since, until)}
        rows = await self._rest.get_trades(query, limit=_public_limit(since, limit), since=_start(since))
        now, trades = self._clock.now(), []
        for row in rows:
            try:
                trades.append(decode.trade(row, market, now))
            except DecodeError as error:
                # The tape informs; one trade that can't be read must not cost the others.
                log.warning("a trade is left out: %s", error)
        return in_order(trades, since, until, lambda each: each.trade_id)

    @hookimpl
    async def fetch_candles(
        self, market: Market, interval: timedelta, since: datetime, until: datetime, price_kind: PriceKind
    ) -> list[Candle]:
        """Return bars, oldest first. Windows of a bounded number of bars are asked for one after the other."""
        resolution = encode.resolution(interval)
        found: dict[datetime, Candle] = {}
        start = since
        while start < until:
            end = min(start + interval * endpoints.KLINES_PER_REQUEST, until)
            rows = await self._rest.get_klines(
                {
                    "symbol": market.symbol,
                    "resolution": resolution,
                    **encode.window(start, end),
                    "price_kind": _PRICE_KINDS[price_kind],
                }
            )
            for row in rows:
                bar = decode.candle(row, market, interval)
                if since <= bar.opened_at < until:
                    found[bar.opened_at] = bar
            start = end
        return [found[opened_at] for opened_at in sorted(found)]

    # Funding

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        """Return the running rates, in one request. A market without a rate or a period is left out."""
        single = markets[0].symbol if markets is not None and len(markets) == 1 else endpoints.ALL
        rows = await self._rest.get_markets_summary(single)
        now = self._clock.now()
        wanted = {market.symbol for market in markets} if markets is not None else None
        pairs = await self._context.markets.with_markets(rows, lambda row: row.symbol)
        rates = (
            decode.funding_from_summary(row, market, now)
            for row, market in pairs
            if wanted is None or market.symbol in wanted
        )
        return [rate for rate in rates if rate is not None]

    @hookimpl
    async def fetch_funding_history(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingRate]:
        """
        Return past observations, oldest first: samples of a rate that accrues all the time, not to be added up.
        Without a start and a limit, the newest page.
        """
        query: dict[str, ParamValue] = {"market": market.symbol, **encode.window(since, until)}
        rows = await self._rest.get_funding_data(query, limit=_public_limit(since, limit), since=_start(since))
        now = self._clock.now()
        source = f"GET {endpoints.FUNDING_DATA}"
        by_time: dict[datetime, FundingRate] = {}
        for row in rows:
            rate = decode.funding(row, market, now, kind=FundingKind.SAMPLE, source=source)
            if rate is not None and is_inside(rate.effective_at, since, until):
                by_time[rate.effective_at] = rate
        return [by_time[at] for at in sorted(by_time)]

    @hookimpl
    async def fetch_funding_payments(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingPayment]:
        """
        Return funding paid or received, oldest first.

        The venue answers for one market at a time. Without one, those are asked for that can have payments in the
        period: with an open position now, or with a fill since its start.
        """
        asked = [market] if market is not None else await self._markets_with_payments(since)
        found: list[FundingPayment] = []
        for each in asked:
            query: dict[str, ParamValue] = {"market": each.symbol, **encode.window(since, until)}
            rows = await self._rest.get_funding_payments(query, limit=limit, since=_start(since))
            now = self._clock.now()
            found += [decode_account.funding_payment(row, each, now) for row in rows]
        payments = in_order(found, since, until, lambda payment: payment.payment_id)
        return payments[-limit:] if limit is not None else payments

    async def _markets_with_payments(self, since: datetime | None) -> list[Market]:
        positions = await self._rest.get_positions()
        start = _start(since)
        fills = await self._rest.get_fills({"asset_kind": "PERP", "start_at": start}, limit=None, since=start)
        symbols = {row.market for row in positions} | {row.market for row in fills}
        return [market for _, market in await self._context.markets.with_markets(sorted(symbols), str)]

    # Account

    @hookimpl
    async def fetch_account(self) -> AccountSummary:
        """Return equity, free collateral and margins."""
        return decode_account.account(await self._rest.get_account(), self._clock.now())

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """Return each asset's settled total and, of the settlement asset, what is free."""
        rows = await self._rest.get_balance()
        summary = await self._rest.get_account() if rows else None
        now = self._clock.now()
        balances = [decode_account.balance(row, summary, now) for row in rows]
        self._balances.learn(balances)
        return balances

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """Return every open position. One row that can't be read fails the whole: a gap here would look flat."""
        rows = await self._rest.get_positions()
        rows = [row for row in rows if row.status != "CLOSED" and row.market.endswith(_PERPETUAL)]
        now = self._clock.now()
        pairs = await self._context.markets.with_every_market(rows, lambda row: row.market, "a position")
        positions = [decode_account.position(row, market, now) for row, market in pairs]
        return [position for position in positions if position.size]

    @hookimpl
    async def fetch_fees(self, markets: Sequence[Market] | None) -> list[TradingFees]:
        """Return what this account pays: each market's own fee, or the account's rate where a market has none."""
        accounts = await self._rest.get_account_info()
        # Isolated accounts stand beside the main one and have no say in its fees.
        own = next((row for row in accounts if not row.isolated_market), None)
        listed = list(markets) if markets is not None else list(self._context.markets.all.values())
        return [decode_account.trading_fees(market, own.fees if own is not None else None) for market in listed]

    @hookimpl
    async def fetch_leverage(self, market: Market) -> LeverageSetting:
        """Return the account's setting for a market."""
        return decode_account.leverage(await self._margin_entry(market), market)

    @hookimpl
    async def set_leverage(self, market: Market, leverage: Decimal) -> LeverageSetting:
        """Set the leverage, a whole number, and keep the margin mode."""
        if leverage != leverage.to_integral_value() or leverage < 1:
            msg = f"leverage {leverage}: {VENUE} takes whole numbers from 1"
            raise ConfigError(msg, venue=VENUE, operation="set_leverage")
        if market.max_leverage is not None and leverage > market.max_leverage:
            msg = f"leverage {leverage} is above the most that {market.id} allows, {market.max_leverage}"
            raise ConfigError(msg, venue=VENUE, operation="set_leverage")
        current = decode_account.leverage(await self._margin_entry(market), market)
        return await self._set_margin(market, int(leverage), current.margin_mode)

    @hookimpl
    async def set_margin_mode(self, market: Market, mode: MarginMode) -> LeverageSetting:
        """Set cross or isolated and keep the leverage."""
        current = decode_account.leverage(await self._margin_entry(market), market)
        return await self._set_margin(market, int(current.leverage), mode)

    async def _margin_entry(self, market: Market) -> schema.MarginEntry:
        configs = await self._rest.get_account_margin(market.symbol)
        for entry in configs.configs:
            if entry.market == market.symbol:
                return entry
        msg = f"the answer holds no setting for {market.id}"
        raise DecodeError(msg, venue=VENUE, operation=f"GET {endpoints.ACCOUNT_MARGIN}")

    async def _set_margin(self, market: Market, leverage: int, mode: MarginMode) -> LeverageSetting:
        body = {"leverage": leverage, "margin_type": _MARGIN_TYPES[mode]}
        update = await self._rest.post_account_margin(market.symbol, body)
        return decode_account.leverage(update, market)

    # Orders

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """Send one order; the venue answers before its risk checks."""
        return await self._orders.place(intent)

    @hookimpl
    async def place_orders(self, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
        """Send up to ten orders in one request."""
        return await self._orders.place_many(intents)

    @hookimpl
    async def amend_order(self, order: Order, amendment: OrderAmendment) -> Order:
        """Change price, size or trigger of an open order; it keeps its id."""
        return await self._orders.amend(order, amendment)

    @hookimpl
    async def cancel_order(self, order: OrderRef) -> CancelResult:
        """Have the venue queue a cancel, by its id or by ours."""
        return await self._orders.cancel(order)

    @hookimpl
    async def cancel_orders(self, orders: Sequence[OrderRef]) -> list[CancelResult | PerpkitError]:
        """Have the venue queue several cancels."""
        return await self._orders.cancel_many(orders)

    @hookimpl
    async def cancel_all_orders(self, market: Market | None) -> None:
        """Have the venue cancel every open order of a market or of the account."""
        await self._orders.cancel_all(market)

    @hookimpl
    async def fetch_order(self, order: OrderRef) -> Order:
        """Return one order, open or past."""
        return await self._orders.fetch(order)

    @hookimpl
    async def fetch_open_orders(self, market: Market | None) -> list[Order]:
        """Return every open order."""
        return await self._orders.fetch_open(market)

    @hookimpl
    async def fetch_order_history(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Order]:
        """Return orders created in the period, oldest first."""
        return await self._orders.fetch_history(market, since, until, limit)

    @hookimpl
    async def fetch_fills(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Fill]:
        """Return this account's fills, oldest first."""
        symbol = market.symbol if market is not None else None
        kind = "PERP" if market is None else None
        query: dict[str, ParamValue] = {"market": symbol, "asset_kind": kind, **encode.window(since, until)}
        rows = await self._rest.get_fills(query, limit=limit, since=_start(since))
        now = self._clock.now()
        fills = [
            decode_account.fill(row, listed, now, order_side=self._memory.side(row.order_id))
            for row, listed in await self._context.markets.with_markets(rows, lambda row: row.market)
        ]
        return in_order(fills, since, until, lambda each: each.fill_id)

    # Streams

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> StreamSource:
        """Return the words for the streams; the core runs them."""
        return ParadexStream(
            url=self._settings.ws_address,
            markets=self._context.markets,
            tokens=self._session.tokens,
            orders=self._memory,
            balances=self._balances,
            redactor=self._context.redactor,
            book_interval=self._settings.book_interval,
        )

    # Plumbing

    async def _summary(self, market: Market) -> schema.MarketSummary:
        for row in await self._rest.get_markets_summary(market.symbol):
            if row.symbol == market.symbol:
                return row
        msg = f"the answer holds no prices of {market.id}"
        raise DecodeError(msg, venue=VENUE, operation=f"GET {endpoints.MARKETS_SUMMARY}")


def _public_limit(since: datetime | None, limit: int | None) -> int | None:
    """Bound what nobody bounded: a public history goes back for years, one row every few seconds."""
    return endpoints.PAGE_SIZE if since is None and limit is None else limit


def _start(since: datetime | None) -> int | None:
    return ceil_ms(since) if since is not None else None

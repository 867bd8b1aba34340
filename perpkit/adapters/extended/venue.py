"""
The Extended plugin: each hook encodes, calls and decodes. Order commands and reads are in ``orders.py``, what hooks
share is in ``session.py``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from perpkit.adapters.extended import decode, decode_account, decode_book, encode, endpoints
from perpkit.adapters.extended.config import ENVIRONMENTS, VENUE, ExtendedSettings
from perpkit.adapters.extended.credentials import FIELDS, find_credentials
from perpkit.adapters.extended.orders import Orders
from perpkit.adapters.extended.session import Session
from perpkit.adapters.extended.signing import Terms
from perpkit.adapters.extended.stream import ExtendedStream
from perpkit.core.capabilities import Capabilities, ClientOrderIdRule, VenueDescription
from perpkit.core.client_ids import ClientOrderIds
from perpkit.core.context import VenueContext
from perpkit.core.errors import ConfigError, DecodeError, PerpkitError
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
    MarketStatus,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderType,
    Position,
    PriceKind,
    Subscription,
    Ticker,
    TimeInForce,
    Trade,
    TradingFees,
)
from perpkit.core.quantize import plain
from perpkit.core.streams.protocol import AddressedSource
from perpkit.core.windows import ceil_ms, in_order, is_inside

log = logging.getLogger(__name__)

T = TypeVar("T")

_CANDLE_KINDS: Final = {PriceKind.LAST: "trades", PriceKind.MARK: "mark-prices", PriceKind.INDEX: "index-prices"}
_MOST_NAMED: Final = 20
"""With more markets than that a request for all of them is shorter than one that names each."""

_SECOND: Final = timedelta(seconds=1)
_HOUR_MS: Final = 3_600_000

_STREAMED: Final = frozenset(
    {
        Channel.BOOK,
        Channel.TRADES,
        Channel.TICKER,
        Channel.ORDERS,
        Channel.FILLS,
        Channel.POSITIONS,
        Channel.BALANCES,
    }
)
"""
The venue streams funding rates when they are applied, once an hour, and payments not at all. The running rate, and the
payments, are read by REST at intervals, which the core does for channels that are not named here.
"""

_CLIENT_IDS: Final = ClientOrderIdRule(max_length=endpoints.MAX_CLIENT_ID)


class ExtendedVenue:
    """
    The plugin. Its settings are those of :class:`ExtendedSettings` and the credentials of ``credentials.FIELDS``.

    Raises:
        ConfigError: A setting is unknown or wrong.
        CredentialsError: A credential is malformed, or kept in a file that others can read.
    """

    def __init__(self, context: VenueContext) -> None:
        self._settings = ExtendedSettings.load(context.environment, context.settings, credentials=FIELDS)
        credentials = find_credentials(context.settings, context.environ)
        self._context = context
        self._clock = context.clock
        self._session = Session(context, self._settings, credentials)
        self._rest = self._session.rest
        self._terms: dict[str, Terms] = {}
        client_ids = ClientOrderIds(_CLIENT_IDS, clock=context.clock, rng=context.rng)
        self._orders = Orders(self._session, context, self._terms_of, client_ids)

    # Lifecycle

    @hookimpl
    def describe_venue(self) -> VenueDescription:
        """Describe Extended and what of it this plugin serves."""
        return VenueDescription(
            name=VENUE,
            title="Extended",
            environments=ENVIRONMENTS,
            capabilities=Capabilities(
                channels=_STREAMED,
                order_types=frozenset(OrderType),
                # A good-till-canceled order is sent with the longest expiry that the venue takes.
                times_in_force=frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC}),
                post_only=True,
                reduce_only=True,
                trigger_kinds=frozenset(PriceKind),
                margin_modes=frozenset({MarginMode.CROSS}),
                funding_accrual=FundingAccrual.DISCRETE,
                async_acceptance=True,
                client_order_id=_CLIENT_IDS,
                order_options=encode.OPTIONS,
                candle_intervals=frozenset(endpoints.CANDLE_INTERVALS),
            ),
            rate_limits=endpoints.rate_limits(market_maker=self._settings.rate_limit == "market_maker"),
            docs="https://api.docs.extended.exchange",
        )

    @hookimpl
    async def start(self) -> None:
        """Open the connection pool; nothing is asked."""
        await self._session.open()

    @hookimpl
    async def stop(self) -> None:
        """Close what is open. Open orders stay."""
        await self._session.close()

    # Markets

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """Return every perpetual. A row that can't be read is logged and left out; the rest load."""
        markets = []
        for row in await self._rest.get_markets():
            try:
                terms = Terms.of(row)
                markets.append(decode.market(row))
            except DecodeError as error:
                log.warning("a market is left out: %s", error)
            else:
                self._terms[row.name] = terms
        return markets

    @hookimpl
    async def fetch_ticker(self, market: Market) -> Ticker:
        """Return one market's prices."""
        return decode.ticker(await self._rest.get_market_stats(market.symbol), market, self._clock.now())

    @hookimpl
    async def fetch_tickers(self) -> list[Ticker]:
        """Return the prices of every perpetual, in one request."""
        rows = await self._rest.get_markets()
        now = self._clock.now()
        pairs = await self._context.markets.with_markets(rows, lambda row: row.name)
        return [decode.ticker(row.market_stats, market, now) for row, market in pairs]

    @hookimpl
    async def fetch_order_book(self, market: Market, depth: int | None) -> BookSnapshot:
        """Return the book, best levels first. The venue sends all of it, whatever depth is wanted."""
        book = decode_book.order_book(await self._rest.get_orderbook(market.symbol), market, self._clock.now())
        if depth is None:
            return book
        return book.replace(bids=book.bids[:depth], asks=book.asks[:depth])

    @hookimpl
    async def fetch_trades(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Trade]:
        """Return of the latest trades those in the period, oldest first: the venue serves no older ones."""
        now = self._clock.now()
        found = await self._rest.get_trades(market.symbol)
        rows = sorted(found, key=lambda row: (row.T, decode.sequence(row.i)), reverse=True)
        trades = in_order(decode.trades(rows, market, now), since, until, lambda each: each.trade_id)
        return trades if limit is None else trades[-limit:]

    @hookimpl
    async def fetch_candles(
        self, market: Market, interval: timedelta, since: datetime, until: datetime, price_kind: PriceKind
    ) -> list[Candle]:
        """Return bars, oldest first. The venue pages backwards from an end, newest first."""
        word = encode.candle_interval(interval)
        found: dict[datetime, Candle] = {}
        end = ceil_ms(until) - 1
        while end >= ceil_ms(since):
            most = min(math.ceil((decode.moment(end) - since) / interval) + 1, endpoints.PAGE_SIZE)
            rows = await self._rest.get_candles(market.symbol, _CANDLE_KINDS[price_kind], word, most, end)
            bars = [decode.candle(row, market, interval) for row in rows]
            fresh = {bar.opened_at: bar for bar in bars if bar.opened_at not in found}
            found |= fresh
            if not fresh:
                break
            end = min(ceil_ms(opened_at) for opened_at in fresh) - 1
        return [found[opened_at] for opened_at in sorted(found) if is_inside(opened_at, since, until)]

    # Funding

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        """Return the running rates, in one request. A market without a rate, or delisted, is left out."""
        rows = await self._rest.get_markets(_named(markets))
        now = self._clock.now()
        wanted = {market.symbol for market in markets} if markets is not None else None
        pairs = await self._context.markets.with_markets(rows, lambda row: row.name)
        rates = (
            decode.running_rate(row.market_stats, market, now)
            for row, market in pairs
            if market.status is not MarketStatus.SETTLED and (wanted is None or market.symbol in wanted)
        )
        return [rate for rate in rates if rate is not None]

    @hookimpl
    async def fetch_funding_history(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingRate]:
        """Return applied rates, one an hour, oldest first. Without a start and a limit, the newest page."""
        now = self._clock.now()
        bound = limit if limit is not None or since is not None else endpoints.PAGE_SIZE
        rows = await self._rest.get_funding(
            market.symbol,
            ceil_ms(since) if since is not None else 0,
            # Both ends are required. The venue's clock may be ahead of ours.
            ceil_ms(until) - 1 if until is not None else ceil_ms(now) + _HOUR_MS,
            limit=bound,
        )
        rates = [decode.applied_rate(row, market, now) for row in rows]
        inside = {rate.effective_at: rate for rate in rates if is_inside(rate.effective_at, since, until)}
        return [inside[at] for at in sorted(inside)]

    @hookimpl
    async def fetch_funding_payments(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingPayment]:
        """Return funding paid and received, oldest first."""
        symbol = market.symbol if market is not None else None
        start = ceil_ms(since) if since is not None else 0
        end = ceil_ms(until) if until is not None else None
        rows = await self._rest.get_funding_history(symbol, start, limit=limit, until=end)
        now = self._clock.now()
        pairs = await self._context.markets.with_markets(rows, lambda row: row.market)
        payments = [decode_account.funding_payment(row, listed, now) for row, listed in pairs]
        return in_order(payments, since, until, lambda each: each.payment_id)

    # The account

    @hookimpl
    async def fetch_account(self) -> AccountSummary:
        """Return equity, free collateral and margins; all of them zero for an account that never had funds."""
        row = await self._rest.get_balance()
        now = self._clock.now()
        if row is None:
            return decode_account.empty_account(self._session.account_id, now)
        return decode_account.account(row, self._session.account_id, now)

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """Return the collateral; none for an account that never had funds."""
        row = await self._rest.get_balance()
        return [decode_account.balance(row, self._clock.now())] if row is not None else []

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """Return every open position. One row that can't be read fails the whole: a gap here would look flat."""
        rows = [row for row in await self._rest.get_positions() if row.size and row.status != "CLOSED"]
        now = self._clock.now()
        pairs = await self._context.markets.with_every_market(rows, lambda row: row.market, "a position")
        return [decode_account.position(row, market, now) for row, market in pairs]

    @hookimpl
    async def fetch_fees(self, markets: Sequence[Market] | None) -> list[TradingFees]:
        """Return what this account pays."""
        rows = await self._rest.get_fees(_named(markets))
        self._session.learn_fees(rows)
        wanted = {market.symbol for market in markets} if markets is not None else None
        pairs = await self._context.markets.with_markets(rows, lambda row: row.market)
        return [decode_account.fees(row, market) for row, market in pairs if wanted is None or market.symbol in wanted]

    @hookimpl
    async def fetch_leverage(self, market: Market) -> LeverageSetting:
        """Return the account's setting for a market; margin is always shared across markets."""
        for row in await self._rest.get_leverage(market.symbol):
            if row.market == market.symbol:
                return decode_account.leverage(row, market)
        msg = f"the answer holds no setting for {market.id}"
        raise DecodeError(msg, venue=VENUE, operation=f"GET {endpoints.LEVERAGE}")

    @hookimpl
    async def set_leverage(self, market: Market, leverage: Decimal) -> LeverageSetting:
        """Set the leverage and read it again: what the change itself answers differs from source to source."""
        if market.max_leverage is not None and leverage > market.max_leverage:
            msg = f"leverage {leverage} is above the most that {market.id} allows, {market.max_leverage}"
            raise ConfigError(msg, venue=VENUE, operation="set_leverage")
        await self._rest.patch_leverage(market.symbol, plain(leverage))
        return await self.fetch_leverage(market)

    # Orders

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """Send one order; the venue answers before its engine has looked at it."""
        return await self._orders.place(intent)

    @hookimpl
    async def amend_order(self, order: Order, amendment: OrderAmendment) -> Order:
        """Replace an open order by one with new values, which gets ids of its own."""
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
        """Return one order, open or closed."""
        return await self._orders.fetch(order)

    @hookimpl
    async def fetch_open_orders(self, market: Market | None) -> list[Order]:
        """Return every open order."""
        return await self._orders.fetch_open(market)

    @hookimpl
    async def fetch_order_history(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Order]:
        """Return closed orders created in the period, oldest first."""
        return await self._orders.fetch_history(market, since, until, limit)

    @hookimpl
    async def fetch_fills(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Fill]:
        """Return this account's fills, oldest first. The venue can't be asked for a time, so pages are read to it."""
        rows = await self._rest.get_trades_of_account(
            market.symbol if market is not None else None,
            limit=limit,
            since=ceil_ms(since) if since is not None else None,
            until=ceil_ms(until) if until is not None else None,
        )
        now = self._clock.now()
        pairs = await self._context.markets.with_markets(rows, lambda row: row.market)
        fills = [decode_account.fill(row, listed, now) for row, listed in pairs]
        return in_order(fills, since, until, lambda each: each.fill_id)

    @hookimpl
    async def set_dead_man_switch(self, after: timedelta | None) -> None:
        """Have the venue cancel all orders unless this is called again in time, in whole seconds; None disarms it."""
        if after is not None and after <= timedelta(0):
            raise ConfigError(f"after={after}: above zero, or None to disarm", venue=VENUE)
        await self._rest.post_dead_man_switch(0 if after is None else math.ceil(after / _SECOND))

    # Streams

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> AddressedSource:
        """Return the addresses and words for the streams; the core runs them."""
        return ExtendedStream(
            base=self._settings.ws_base,
            markets=self._context.markets,
            api_key=self._session.credentials.api_key,
            check=self._session.check,
            redactor=self._context.redactor,
        )

    # Plumbing

    def _terms_of(self, symbol: str) -> Terms:
        terms = self._terms.get(symbol)
        if terms is None:
            raise ConfigError(f"the rules of {symbol} are not loaded; call fetch_markets", venue=VENUE)
        return terms


def _named(markets: Sequence[Market] | None) -> list[str]:
    """Return the names that a request lists; none asks for all."""
    if markets is None or len(markets) > _MOST_NAMED:
        return []
    return [market.symbol for market in markets]

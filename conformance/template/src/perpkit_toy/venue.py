"""The Toy plugin: each hook encodes, calls and decodes. Everything else is the core's work."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from perpkit.core.capabilities import Capabilities, ClientOrderIdRule, RateLimit, VenueDescription
from perpkit.core.context import VenueContext
from perpkit.core.errors import DecodeError, UnknownMarketError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import (
    AccountSummary,
    Balance,
    BookSnapshot,
    CancelResult,
    Fill,
    FundingAccrual,
    FundingPayment,
    FundingRate,
    Market,
    Order,
    OrderIntent,
    OrderRef,
    Position,
    Subscription,
    Ticker,
    Trade,
    TradingFees,
    VenueHealth,
)
from perpkit.core.outcome import order_outcome
from perpkit.core.streams.protocol import StreamSource
from perpkit.core.transport.http import HttpTimeouts

from perpkit_toy import decode, encode, schema, wire
from perpkit_toy.config import ENVIRONMENTS, VENUE, Settings, find_credentials
from perpkit_toy.rest import PAGE, QUOTA, RestClient
from perpkit_toy.stream import CHANNELS, ToyStream

log = logging.getLogger(__name__)

T = TypeVar("T")


class ToyVenue:
    """
    The plugin. Its settings are those of :class:`Settings`, and ``api_key`` and ``api_secret``.

    Raises:
        ConfigError: A setting is unknown or wrong.
        CredentialsError: A credential is missing its other half, or malformed.
    """

    def __init__(self, context: VenueContext) -> None:
        settings = Settings.load(context.environment, context.settings)
        credentials = find_credentials(context.settings, context.environ)
        if credentials is not None:
            context.redactor.add(credentials.key, credentials.secret)
        self._http = context.http(
            settings.rest_url,
            limiter=context.limiter(urlsplit(settings.rest_url).netloc, (QUOTA,)),
            timeouts=HttpTimeouts.within(settings.request_timeout),
        )
        self._rest = RestClient(self._http, context.clock, context.redactor, credentials)
        self._settings = settings
        self._clock = context.clock
        self._markets = context.markets
        self._redactor = context.redactor

    # Lifecycle

    @hookimpl
    def describe_venue(self) -> VenueDescription:
        """Describe Toy and what of it this plugin serves."""
        return VenueDescription(
            name=VENUE,
            title="Toy",
            environments=ENVIRONMENTS,
            capabilities=Capabilities(
                channels=CHANNELS,
                order_types=encode.ORDER_TYPES,
                times_in_force=encode.TIMES_IN_FORCE,
                post_only=True,
                reduce_only=True,
                funding_accrual=FundingAccrual.CONTINUOUS,
                # A request is refused 30 s after it was dated (contract, ``stale_request``).
                never_accepted_after=timedelta(seconds=30),
                client_order_id=ClientOrderIdRule(max_length=36),
            ),
            rate_limits=(
                RateLimit(
                    name=QUOTA.name,
                    requests=QUOTA.limits[0][0],
                    per=QUOTA.limits[0][1],
                    scope="ip",
                    source="openapi.json, info.description",
                ),
            ),
        )

    @hookimpl
    async def start(self) -> None:
        """Open the connection pool. Nothing is asked yet."""
        await self._http.__aenter__()

    @hookimpl
    async def stop(self) -> None:
        """Close it."""
        await self._http.close()

    @hookimpl
    async def check_health(self) -> VenueHealth:
        """Return the venue's state, and how its clock compares with ours."""
        return decode.health(*await self._rest.get_status())

    # Markets

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """Return every perpetual; a row that can't be read is logged and left out."""
        markets = []
        for row in await self._rest.get_markets():
            name = "a market"
            try:
                head = wire.read(schema.Kind, bytes(row), what=name)
                name = f"market {head.symbol}"
                if head.kind == "perp":
                    markets.append(decode.market(wire.read(schema.Market, bytes(row), what=name)))
            except DecodeError as error:
                log.warning("%s lists %s in a form that can't be read; it is left out: %s", VENUE, name, error)
        return markets

    @hookimpl
    async def fetch_ticker(self, market: Market) -> Ticker:
        """Return one market's prices."""
        for row in await self._rest.get_tickers(market.symbol):
            if row.symbol == market.symbol:
                return decode.ticker(row, market, self._clock.now())
        raise DecodeError(f"the answer holds no prices of {market.id}", venue=VENUE, operation="GET /tickers")

    @hookimpl
    async def fetch_tickers(self) -> list[Ticker]:
        """Return the prices of every perpetual, in one request."""
        rows, now = await self._rest.get_tickers(), self._clock.now()
        return [decode.ticker(row, market, now) for row, market in await self._markets.with_markets(rows, _symbol)]

    @hookimpl
    async def fetch_order_book(self, market: Market, depth: int | None) -> BookSnapshot:
        """Return the book, best levels first."""
        return decode.book(await self._rest.get_book(market.symbol, depth), market, self._clock.now())

    @hookimpl
    async def fetch_trades(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Trade]:
        """
        Return the tape, oldest first; the newest page where neither a start nor a limit is given. A trade that can't
        be read is logged and left out.
        """
        bound = PAGE if since is None and limit is None else limit
        rows = await self._rest.get_trades(_query(market, since, until), bound)
        now, trades = self._clock.now(), []
        for row in reversed(rows):
            try:
                trades.append(decode.trade(row, market, now))
            except DecodeError as error:
                # The tape informs: one row costs nobody the others. Of an account's own records none may be missing.
                log.warning("%s: a trade of %s is left out: %s", VENUE, market.id, error)
        return trades

    # Funding

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        """Return the running rates, in one request. A market without a rate is left out."""
        rows, now = await self._rest.get_tickers(), self._clock.now()
        wanted = {market.symbol for market in markets} if markets is not None else None
        rates = (
            decode.funding_rate(row, market, now)
            for row, market in await self._markets.with_markets(rows, _symbol)
            if wanted is None or market.symbol in wanted
        )
        return [rate for rate in rates if rate is not None]

    @hookimpl
    async def fetch_funding_history(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingRate]:
        """Return samples of the rate, oldest first; the newest page where neither a start nor a limit is given."""
        bound = PAGE if since is None and limit is None else limit
        rows = await self._rest.get_funding_history(_query(market, since, until), bound)
        now = self._clock.now()
        return [decode.sampled_rate(row, market, now) for row in reversed(rows)]

    @hookimpl
    async def fetch_funding_payments(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingPayment]:
        """Return funding paid or received, oldest first."""
        rows = await self._rest.get_funding_payments(_query(market, since, until), limit)
        now = self._clock.now()
        return [
            decode.payment(row, listed, now)
            for row, listed in await self._markets.with_markets(reversed(rows), _symbol)
        ]

    # Account

    @hookimpl
    async def fetch_account(self) -> AccountSummary:
        """Return equity, free collateral and margins."""
        return decode.account(await self._rest.get_account(), self._clock.now())

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """Return the balance of each asset."""
        rows, now = await self._rest.get_balances(), self._clock.now()
        return [decode.balance(row, now) for row in rows]

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """Return every open position. One row that can't be read fails the whole: a gap here would look flat."""
        rows, now = await self._rest.get_positions(), self._clock.now()
        pairs = await self._markets.with_markets(rows, _symbol)
        if len(pairs) < len(rows):
            unknown = {row.symbol for row in rows} - {market.symbol for _, market in pairs}
            raise UnknownMarketError(f"positions in markets that are not listed: {', '.join(unknown)}", venue=VENUE)
        return [decode.position(row, market, now) for row, market in pairs if row.size]

    @hookimpl
    async def fetch_fees(self, markets: Sequence[Market] | None) -> list[TradingFees]:
        """Return what this account pays."""
        wanted = {market.symbol for market in markets} if markets is not None else None
        pairs = await self._markets.with_markets(await self._rest.get_fees(), _symbol)
        return [decode.fees(row, market) for row, market in pairs if wanted is None or market.symbol in wanted]

    # Orders

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """Send one order; the venue answers with what became of it."""
        market = await self._markets.resolve(intent.market_id)
        body = encode.new_order(intent, market)
        await self._rest.prepare("place_order")
        ours = intent.client_order_id
        with order_outcome(venue=VENUE, operation="place_order", client_order_id=ours):
            return self._order(await self._rest.post_order(body), market)

    @hookimpl
    async def cancel_order(self, order: OrderRef) -> CancelResult:
        """Cancel one order, by the venue's id where given, else by ours."""
        ours = order.client_order_id
        await self._rest.prepare("cancel_order")
        with order_outcome(venue=VENUE, operation="cancel_order", client_order_id=ours):
            if order.venue_order_id is not None:
                answer = await self._rest.delete_order(order.venue_order_id)
            else:
                answer = await self._rest.delete_order_by_client_id(ours or "")
            return CancelResult(order=order, status=decode.cancel_status(answer))

    @hookimpl
    async def cancel_all_orders(self, market: Market | None) -> None:
        """Cancel all open orders of one market, or of the account."""
        await self._rest.prepare("cancel_all_orders")
        with order_outcome(venue=VENUE, operation="cancel_all_orders"):
            await self._rest.delete_orders(market.symbol if market is not None else None)

    @hookimpl
    async def fetch_order(self, order: OrderRef) -> Order:
        """Return one order, open or over."""
        market = await self._markets.resolve(order.market_id)
        if order.venue_order_id is not None:
            row = await self._rest.get_order(order.venue_order_id)
        else:
            row = await self._rest.get_order_by_client_id(order.client_order_id or "")
        return self._order(row, market)

    @hookimpl
    async def fetch_open_orders(self, market: Market | None) -> list[Order]:
        """Return every open order."""
        rows = await self._rest.get_orders(market.symbol if market is not None else None)
        return [self._order(row, listed) for row, listed in await self._markets.with_markets(rows, _symbol)]

    @hookimpl
    async def fetch_order_history(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Order]:
        """Return orders created in [since, until), oldest first."""
        rows = await self._rest.get_orders_history(_query(market, since, until), limit)
        return [self._order(row, listed) for row, listed in await self._markets.with_markets(reversed(rows), _symbol)]

    @hookimpl
    async def fetch_fills(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Fill]:
        """Return this account's fills, oldest first."""
        rows = await self._rest.get_fills(_query(market, since, until), limit)
        now = self._clock.now()
        return [
            decode.fill(row, listed, now) for row, listed in await self._markets.with_markets(reversed(rows), _symbol)
        ]

    # Streams

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> StreamSource:
        """Return the words for the streams; the core runs them."""
        return ToyStream(self._settings.ws_url, self._markets, self._rest, self._redactor)

    # Plumbing

    def _order(self, row: schema.Order, market: Market) -> Order:
        if row.symbol != market.symbol:
            raise DecodeError(f"order {row.id} is of {row.symbol}, asked was {market.symbol}", venue=VENUE)
        return decode.order(row, market, self._clock.now())


def _symbol(
    row: schema.Ticker | schema.Payment | schema.Position | schema.Fees | schema.Order | schema.Fill,
) -> str:
    return row.symbol


def _query(market: Market | None, since: datetime | None, until: datetime | None) -> dict[str, str]:
    symbol = {"symbol": market.symbol} if market is not None else {}
    return {**symbol, **encode.window(since, until)}

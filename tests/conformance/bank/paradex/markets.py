"""Broken plugins: the listing, the rules of markets, and market data."""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus
from typing import Any

from perpkit.adapters.paradex import decode, endpoints, schema, wire
from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import BookSnapshot, Fill, Instrument, Market, MarketStatus, Ticker
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.paradex.shapes import WirePlugin
from tests.conformance.bank.registry import broken


class _Listing(ParadexVenue):
    """Changes each listed market."""

    def listed(self, market: Market) -> Market:
        """Return the changed market."""
        raise NotImplementedError

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """See the class."""
        return [self.listed(each) for each in await super().fetch_markets()]


@broken(
    rules="symbols-are-a-bijection",
    knock_on="funding-payments-exactly-once random-histories-agree schema-changes-survive",
    checks="MK1",
)
class SettledInTheQuote(_Listing):
    """Takes the quote currency for the one that PnL is paid in."""

    def listed(self, market: Market) -> Market:
        """See the class."""
        own = market.instrument
        return market.replace(instrument=Instrument.of(own.base, own.quote, own.quote))


@broken(rules="scaled-names-parse multiplier-agrees-with-prices", checks="MK2 MK3")
class MultiplierLost(_Listing):
    """Takes a contract of a thousand coins for one of a coin of that name."""

    def listed(self, market: Market) -> Market:
        """See the class."""
        own = market.instrument
        return market.replace(instrument=own.replace(underlying=own.base, multiplier=Decimal(1)))


@broken(rules="market-rules-are-exact", knock_on="listings-refresh ratios-are-fractions", checks="MK4", mistakes="M18")
class FeesAreConstants(_Listing):
    """Has the fees as constants in its code."""

    def listed(self, market: Market) -> Market:
        """See the class."""
        return market.replace(maker_fee=Decimal(0), taker_fee=Decimal("0.0003"))


@broken(rules="market-rules-are-exact", knock_on="bad-rows-are-skipped", checks="MK4 PS6", mistakes="M18")
class LeverageTableInCode(_Listing):
    """Has the highest leverage as a constant in its code."""

    def listed(self, market: Market) -> Market:
        """See the class."""
        return market.replace(max_leverage=Decimal(50))


@broken(
    rules="market-rules-are-exact quantized-orders-are-accepted",
    knock_on="bad-rows-are-skipped listings-refresh sizes-never-grow",
    checks="MK4 MK5",
)
class NoMinimumNotional(_Listing):
    """Does not read the least notional of an order."""

    def listed(self, market: Market) -> Market:
        """See the class."""
        return market.replace(min_notional=None)


@broken(
    rules="market-rules-are-exact",
    knock_on="bad-rows-are-skipped listings-refresh ratios-are-fractions",
    checks="MK4 MK5",
)
class NoPriceBand(_Listing):
    """Does not read how far from the index a price may be."""

    def listed(self, market: Market) -> Market:
        """See the class."""
        return market.replace(price_band=None)


@broken(rules="sizes-are-base-units", knock_on="ledger-identity random-histories-agree", checks="MK6")
class FillsInCoins(ParadexVenue):
    """Gives fills in coins, where everything else is in contracts of a thousand."""

    @hookimpl
    async def fetch_fills(self, market, since, until, limit) -> list[Fill]:
        """See the class."""
        fills = await super().fetch_fills(market, since, until, limit)
        listed = self._context.markets.all
        return [each.replace(size=each.size * listed[each.market_id].instrument.multiplier) for each in fills]


@broken(rules="bad-rows-are-skipped", checks="MK7")
class OneBadRowStopsAll(WirePlugin):
    """Decodes the listing as a whole."""

    paths = (endpoints.MARKETS,)

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._redactor = context.redactor

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        if reply.status == HTTPStatus.OK:
            listing = schema.Results[schema.Market]
            for row in wire.read(listing, reply.body, what="the listing", redactor=self._redactor).results:
                if row.symbol.endswith("-PERP"):
                    decode.market(row, reply.received_at)
        return reply


@broken(rules="only-perpetuals", knock_on="bad-rows-are-skipped", checks="MK8")
class SpotListedAsPerpetual(ParadexVenue):
    """Lists what is traded on the spot as perpetual, too."""

    _like: Market | None = None

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """See the class."""
        answer = await self._rest._public(schema.Results[dict], endpoints.MARKETS)
        markets = await super().fetch_markets()
        like = self._like = self._like or markets[0]
        spot = [each["symbol"] for each in answer.results if each.get("asset_kind") == "SPOT" and each.get("symbol")]
        return [
            *markets,
            *(like.replace(symbol=each, instrument=Instrument.of(f"{each[:3]}X", "USD", "USDC")) for each in spot),
        ]


@broken(rules="market-status-follows", knock_on="only-perpetuals", checks="MK9")
class AlwaysOpen(_Listing):
    """Shows every market as open."""

    def listed(self, market: Market) -> Market:
        """See the class."""
        return market.replace(status=MarketStatus.OPEN)


@broken(
    rules="listings-refresh",
    knock_on="bad-rows-are-skipped every-position-is-returned funding-period-per-market market-status-follows",
    checks="MK10",
)
class FirstListingForEver(ParadexVenue):
    """Goes by the first listing for ever, whatever a later one says."""

    _kept: tuple[Market, ...] = ()

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """See the class."""
        markets = await super().fetch_markets()
        self._kept = self._kept or tuple(markets)
        return list(self._kept)


@broken(rules="listings-refresh", checks="MK10")
class ListingCutAt500(ParadexVenue):
    """Takes the first 500 rows for the whole."""

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """See the class."""
        return (await super().fetch_markets())[:500]


@broken(
    rules="public-data-is-exact",
    knock_on="book-empty-sides book-sides-are-sorted market-orders-are-bounded sizes-are-base-units "
    "subscriptions-yield",
    checks="BK7",
)
class BookSidesSwapped(ParadexVenue):
    """Takes bids for asks."""

    @hookimpl
    async def fetch_order_book(self, market: Market, depth: int | None) -> BookSnapshot:
        """See the class."""
        book = await super().fetch_order_book(market, depth)
        return book.replace(bids=book.asks, asks=book.bids)


@broken(rules="public-data-is-exact", checks="TU3")
class MarkIsTheLastPrice(ParadexVenue):
    """Shows the last price as the mark price."""

    @hookimpl
    async def fetch_ticker(self, market: Market) -> Ticker:
        """See the class."""
        ticker = await super().fetch_ticker(market)
        return ticker.replace(mark_price=ticker.last_price)

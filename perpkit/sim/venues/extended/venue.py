"""
The state of a local Extended that its exchange does not hold: keys, listed rows, open interest, countdowns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from perpkit.core.models.market import FundingAccrual, MarketStatus, PriceKind
from perpkit.sim.exchange import Exchange
from perpkit.sim.limits import MINUTE_MS, Quota, RateLimiter
from perpkit.sim.markets import FeeRates, MarketSpec
from perpkit.sim.money import divide
from perpkit.sim.venues.extended.accounts import CLIENT_ID, LocalAccount, Registry, derive
from perpkit.sim.venues.extended.errors import ApiError, Code
from perpkit.sim.venues.extended.listing import Listing, synthetic
from perpkit.sim.venues.extended.settings import Settings
from perpkit.sim.venues.extended.settlement import OrderHasher

FUNDING_DELAY = timedelta(milliseconds=1028)
"""How long after the hour funding is told; captured."""

REQUESTS = {"rest": (Quota(1_000, MINUTE_MS),)}
"""By client address, all endpoints together."""

BUILDER_FEE_CAP = Decimal("0.0001")
_HOUR_MS = 3_600_000
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open interest at a whole hour: base units, and USD at the mark price."""

    base: Decimal
    usd: Decimal
    time_ms: int


class Venue:
    """Everything that a request is served from."""

    def __init__(self, exchange: Exchange, listings: Iterable[Listing], settings: Settings) -> None:
        self.exchange = exchange
        self.settings = settings
        self.registry = Registry()
        self.hasher = OrderHasher(settings.chain_id)
        self.limiter = RateLimiter(exchange.clock, REQUESTS, settings.limits_scale)
        self.deviations: list[str] = []
        """What clients sent beyond the contract and the venue let pass, in order, each kind once."""
        self.open_interest: dict[str, deque[OpenInterest]] = {}
        self._given = {listing.symbol: listing for listing in listings}
        self._listed = self._given
        self._listing_version = -1
        self._spent: set[int] = set()
        for listing in self._given.values():
            if listing.trades:
                exchange.add_market(market_spec(listing))
        self._sample_open_interest()

    # --- time and who ---------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Return the venue's time in milliseconds."""
        return self.exchange.clock.now_ms()

    def add_local_account(self, index: int, deposit: Decimal) -> LocalAccount:
        """Create the seed's sub-account of that number, with money if there is any to give."""
        account = derive(self.settings.seed, index)
        self.registry.add(account)
        self.exchange.add_account(account.account_id, deposit, owner=str(CLIENT_ID))
        return account

    def note(self, deviation: str) -> None:
        """Remember something that a client sent beyond the contract."""
        if deviation not in self.deviations:
            self.deviations.append(deviation)

    def spend(self, message_hash: int) -> None:
        """
        Let each signed message serve once: the chain keeps one fill budget for it.

        Raises:
            ApiError: 1134, when strict.
        """
        if message_hash in self._spent:
            if self.settings.strict:
                raise ApiError(Code.DUPLICATE_ORDER, "An order with this signed message exists; change the nonce")
            self.note("POST /user/order: two orders with one signed message, so with one nonce")
        self._spent.add(message_hash)

    # --- what -----------------------------------------------------------------------------------------------------

    @property
    def listings(self) -> dict[str, Listing]:
        """Return every listed row: those of the start, and what the exchange listed or changed since."""
        if self._listing_version != self.exchange.listing_version:
            self._listing_version = self.exchange.listing_version
            traded = {spec.symbol: with_rules(self._given.get(spec.symbol), spec) for spec in self.exchange.markets()}
            self._listed = {**self._given, **traded}
        return self._listed

    def listing(self, symbol: str) -> Listing:
        """
        Return a listed row.

        Raises:
            ApiError: 1001.
        """
        listing = self.listings.get(symbol)
        if listing is None:
            raise ApiError(Code.MARKET_NOT_FOUND, "Market not found", debug=f"no market {symbol!r}")
        return listing

    def status(self, listing: Listing) -> str:
        """Return what the wire says a row takes now."""
        if not listing.trades:
            return listing.status
        return _STATUSES[self.exchange.market(listing.symbol).status]

    # --- inside ---------------------------------------------------------------------------------------------------

    def _sample_open_interest(self) -> None:
        now_ms = self.now_ms()
        for spec in self.exchange.markets():
            stats = self.exchange.stats(spec.symbol)
            usd = stats.open_interest * stats.mark_price
            log = self.open_interest.setdefault(spec.symbol, deque(maxlen=_KEPT))
            log.append(OpenInterest(stats.open_interest, usd, now_ms // _HOUR_MS * _HOUR_MS))
        self.exchange.clock.call_at_ms((now_ms // _HOUR_MS + 1) * _HOUR_MS, self._sample_open_interest)


_STATUSES = {
    MarketStatus.OPEN: "ACTIVE",
    MarketStatus.POST_ONLY: "ACTIVE",
    MarketStatus.CANCEL_ONLY: "REDUCE_ONLY",
    MarketStatus.HALTED: "DISABLED",
    MarketStatus.SETTLED: "DELISTED",
}


def market_spec(listing: Listing) -> MarketSpec:
    """Return the exchange's rules for a listed perpetual."""
    initial = divide(Decimal(1), listing.max_leverage)
    return MarketSpec(
        symbol=listing.symbol,
        base=listing.base,
        index_price=listing.index_price,
        tick_size=listing.tick_size,
        step_size=listing.step_size,
        min_size=listing.min_size,
        max_open_orders=listing.max_open_orders,
        price_band=listing.price_band,
        initial_margin=initial,
        maintenance_margin=initial * listing.maintenance_share,
        fees=FeeRates(listing.maker_fee, listing.taker_fee),
        funding_rate=listing.funding_rate,
        funding_period=timedelta(hours=1),
        funding_accrual=FundingAccrual.DISCRETE,
        funding_price=PriceKind.MARK,
        funding_delay=FUNDING_DELAY,
        closing_when_restricted=True,
    )


def with_rules(listing: Listing | None, spec: MarketSpec) -> Listing:
    """Return a row as the exchange's rules for it are now; ``listing`` is None where it was listed later."""
    if listing is not None and replace(market_spec(listing), status=spec.status) == spec:
        return listing
    row = listing or Listing(
        spec.symbol,
        spec.base,
        spec.index_price,
        spec.tick_size,
        spec.step_size,
        spec.min_size,
        synthetic(spec.base[:12].upper() + "-6"),
        1_000_000,
        1000,
    )
    return replace(
        row,
        tick_size=spec.tick_size,
        step_size=spec.step_size,
        min_size=spec.min_size,
        max_open_orders=spec.max_open_orders if spec.max_open_orders is not None else row.max_open_orders,
        price_band=spec.price_band if spec.price_band is not None else row.price_band,
        max_leverage=divide(Decimal(1), spec.initial_margin),
        maintenance_share=divide(spec.maintenance_margin, spec.initial_margin),
        maker_fee=spec.fees.maker,
        taker_fee=spec.fees.taker,
    )

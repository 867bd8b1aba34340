"""
The state of a local Paradex that its exchange does not hold: keys, tokens, quotas, listed rows, nonces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from perpkit.sim.exchange import Exchange
from perpkit.sim.markets import FeeRates, MarketSpec
from perpkit.sim.money import divide
from perpkit.sim.orders import RequestRefusedError
from perpkit.sim.venues.paradex.accounts import (
    LocalAccount,
    Owner,
    Registry,
    derive_l1_address,
    derive_private_key,
    public_of,
)
from perpkit.sim.venues.paradex.auth import Authority
from perpkit.sim.venues.paradex.config import CHAIN_IDS
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.limits import RateLimiter
from perpkit.sim.venues.paradex.listing import Listing, MakerTaker
from perpkit.sim.venues.paradex.orders import Nonces
from perpkit.sim.venues.paradex.verify import MessageHasher

ISSUER = "perpkit local paradex"


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How a local Paradex behaves.

    Attributes:
        seed: Keys, ids and prices follow from it.
        environment: ``testnet`` or ``prod``: whose chain id messages are signed for.
        strict: Take the contract at its word. Otherwise what the venue's own SDK sends against it passes: market
            orders without ``price``, ``order.create_batch`` with a bare list, two orders of one millisecond.
        limits_scale: Divides every rate limit; 0 turns them off.
    """

    seed: int = 7
    environment: str = "testnet"
    strict: bool = True
    limits_scale: int = 1

    @property
    def chain_id(self) -> str:
        """Return the Starknet chain id that messages are signed for."""
        return CHAIN_IDS[self.environment]


class Venue:
    """Everything that a request is served from."""

    def __init__(self, exchange: Exchange, listings: Iterable[Listing], settings: Settings) -> None:
        self.exchange = exchange
        self.settings = settings
        self._given = {listing.symbol: listing for listing in listings}
        self._listed = self._given
        self._listing_version = -1
        self.registry = Registry()
        self.hasher = MessageHasher(settings.chain_id)
        self.limiter = RateLimiter(exchange.clock, settings.limits_scale)
        self.nonces = Nonces(strict=settings.strict)
        secret = hashlib.sha256(f"{ISSUER}/{settings.seed}/tokens".encode()).digest()
        self.authority = Authority(secret, ISSUER, self.registry, self.hasher)
        self.deviations: list[str] = []
        """What clients sent beyond the contract and the venue let pass, in order, each kind once."""
        self.market_events: list[dict[str, Any]] = []
        """Changes of markets as the wire has them, oldest first."""
        for listing in self._given.values():
            if listing.trades:
                exchange.add_market(market_spec(listing))

    # --- time -----------------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Return the venue's time in milliseconds."""
        return self.exchange.clock.now_ms()

    def now_s(self) -> int:
        """Return the venue's time in seconds."""
        return self.now_ms() // 1000

    def now_ns(self) -> int:
        """Return the venue's time in nanoseconds."""
        return self.exchange.clock.now_ns()

    # --- who ------------------------------------------------------------------------------------------------------

    def onboard(self, public: int) -> Owner:
        """Enter the account of a public key, without money if it is new."""
        owner = self.registry.onboard(public, self.now_ms())
        if not self.exchange.has_account(owner.text):
            self.exchange.add_account(owner.text)
        return owner

    def add_local_account(self, index: int, deposit: Decimal) -> LocalAccount:
        """Create the seed's account of that number, with main key, subkey, read-only token and money."""
        seed = self.settings.seed
        main, sub = derive_private_key(seed, index, "main"), derive_private_key(seed, index, "subkey")
        owner = self.onboard(public_of(main))
        subkey = self.registry.register_subkey(owner, public_of(sub), "local trading key", self.now_ns())
        if deposit:
            self.exchange.deposit(owner.text, deposit)
        return LocalAccount(
            address=owner.text,
            l1_address=derive_l1_address(seed, index),
            public_key=hex(owner.public_key),
            private_key=hex(main),
            subkey=hex(sub),
            subkey_public_key=hex(subkey.public_key),
            readonly_token=self.authority.issue_readonly(owner, "local read-only token", self.now_s()),
        )

    # --- what -----------------------------------------------------------------------------------------------------

    @property
    def listings(self) -> dict[str, Listing]:
        """Return every listed row: those of the start, and what the exchange listed or changed since."""
        if self._listing_version != self.exchange.listing_version:
            self._listing_version = self.exchange.listing_version
            traded = {spec.symbol: with_rules(self._given.get(spec.symbol), spec) for spec in self.exchange.markets()}
            self._listed = {**self._given, **traded}
        return self._listed

    def listing(self, symbol: str, *, status: int = 400) -> Listing:
        """
        Return a listed row.

        Raises:
            ApiError: ``MARKET_NOT_FOUND``.
        """
        listing = self.listings.get(symbol)
        if listing is None:
            raise ApiError("MARKET_NOT_FOUND", f"no market {symbol!r}", status=status)
        return listing

    def tradable(self, symbol: str) -> Listing:
        """
        Return a row that takes orders here.

        Raises:
            ApiError: ``MARKET_NOT_FOUND`` or ``MARKET_NOT_OPEN``.
        """
        listing = self.listing(symbol)
        if not listing.trades:
            raise ApiError("MARKET_NOT_OPEN", f"{symbol} takes no orders: it is settled, not open yet or not offered")
        return listing

    def underlying(self, listing: Listing) -> Decimal:
        """Return the price of a row's underlying: the index of the perpetual on the same base, else its own."""
        for other in self.listings.values():
            if other.trades and other.base == listing.base:
                try:
                    return self.exchange.index_price(other.symbol)
                except RequestRefusedError:
                    continue
        return listing.index_price

    def note(self, deviation: str) -> None:
        """Remember something that a client sent beyond the contract."""
        if deviation not in self.deviations:
            self.deviations.append(deviation)


def market_spec(listing: Listing) -> MarketSpec:
    """Return the exchange's rules for a listed perpetual."""
    return MarketSpec(
        symbol=listing.symbol,
        base=listing.base,
        index_price=listing.index_price,
        tick_size=listing.tick_size,
        step_size=listing.step_size,
        quote=listing.quote,
        min_notional=listing.min_notional,
        max_size=listing.max_order_size,
        position_limit=listing.position_limit,
        max_open_orders=listing.max_open_orders,
        price_band=listing.price_band,
        initial_margin=listing.imf,
        maintenance_margin=listing.imf * listing.mmf_factor,
        fees=FeeRates(listing.api_fee.maker, listing.api_fee.taker),
        retail_fees=FeeRates(listing.interactive_fee.maker, listing.interactive_fee.taker),
        funding_rate=listing.funding_rate,
        funding_period=timedelta(hours=listing.funding_period_hours),
    )


def with_rules(listing: Listing | None, spec: MarketSpec) -> Listing:
    """Return a row as the exchange's rules for it are now; ``listing`` is None where it was listed later."""
    row = listing or Listing(spec.symbol, spec.base, spec.index_price, spec.tick_size, spec.step_size)
    if listing is not None and replace(market_spec(listing), status=spec.status) == spec:
        return listing
    retail = spec.retail_fees or spec.fees
    return replace(
        row,
        quote=spec.quote,
        tick_size=spec.tick_size,
        step_size=spec.step_size,
        min_notional=spec.min_notional,
        max_order_size=spec.max_size if spec.max_size is not None else row.max_order_size,
        position_limit=spec.position_limit if spec.position_limit is not None else row.position_limit,
        max_open_orders=spec.max_open_orders if spec.max_open_orders is not None else row.max_open_orders,
        price_band=spec.price_band if spec.price_band is not None else row.price_band,
        funding_period_hours=int(spec.funding_period / timedelta(hours=1)),
        imf=spec.initial_margin,
        mmf_factor=divide(spec.maintenance_margin, spec.initial_margin),
        api_fee=MakerTaker(spec.fees.maker, spec.fees.taker),
        interactive_fee=MakerTaker(retail.maker, retail.taker),
    )

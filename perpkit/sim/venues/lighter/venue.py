"""
The state of a local Lighter that its exchange does not hold: keys, nonces, tokens, budgets, listed rows, records.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal

from perpkit.sim.accounts import MarginMode
from perpkit.sim.exchange import Exchange
from perpkit.sim.markets import FeeRates, MarketStatus
from perpkit.sim.money import divide
from perpkit.sim.orders import Order, RequestRefusedError
from perpkit.sim.venues.lighter.accounts import (
    FIRST_ACCOUNT,
    FIRST_KEY,
    KEYS,
    Account,
    ApiKey,
    LocalAccount,
    Registry,
    derive_l1_address,
    derive_private_key,
    derive_secret,
    private_text,
    public_of,
)
from perpkit.sim.venues.lighter.auth import Authority
from perpkit.sim.venues.lighter.config import ALL_MARKETS, FEE_TICK, FRACTION_UNIT, TIERS, Settings, Tier
from perpkit.sim.venues.lighter.errors import ApiError
from perpkit.sim.venues.lighter.limits import Budgets, VolumeQuota
from perpkit.sim.venues.lighter.listing import Listing, market_spec, with_rules
from perpkit.sim.venues.lighter.records import Records, TradeRecord

READONLY_S = 10 * 365 * 86_400
"""How long the read-only tokens of the start are good: as long as the venue makes them at most."""

_ROUNDING = Decimal("1e-9")
_FIRST_BLOCK = 327_000_000
_BLOCK_MS = 100
_PERPS_BELOW = ALL_MARKETS


class Venue:
    """Everything that a request is served from."""

    def __init__(self, exchange: Exchange, listings: Iterable[Listing], settings: Settings) -> None:
        self.exchange = exchange
        self.settings = settings
        self.registry = Registry()
        self.authority = Authority(self.registry, verify=settings.verify_signatures)
        self.budgets = Budgets(exchange.clock, settings.limits_scale)
        self.quota = VolumeQuota(exchange.clock, enabled=settings.limits_scale > 0)
        self.records = Records(settings.seed, self._earn)
        self._began_ms = exchange.clock.now_ms()
        self._given = {listing.symbol: listing for listing in listings}
        self._ids = {listing.symbol: listing.market_id for listing in self._given.values()}
        self._listed: dict[str, Listing] = dict(self._given)
        self._listing_version = -1
        self._margins_version = -1
        exchange.subscribe(self.records.note)
        for listing in self._given.values():
            if listing.is_perp:
                exchange.add_market(market_spec(listing))

    # --- time -----------------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Return the venue's time in milliseconds."""
        return self.exchange.clock.now_ms()

    def now_s(self) -> int:
        """Return the venue's time in seconds."""
        return self.now_ms() // 1000

    def now_us(self) -> int:
        """Return the venue's time in microseconds."""
        return self.exchange.clock.now_ns() // 1000

    def height(self, time_ms: int | None = None) -> int:
        """Return the number of the block of a moment, now if not given."""
        at = self.now_ms() if time_ms is None else time_ms
        return _FIRST_BLOCK + max(0, at - self._began_ms) // _BLOCK_MS

    # --- who ------------------------------------------------------------------------------------------------------

    def add_account(self, index: int, l1_address: str, tier: Tier, deposit: Decimal = Decimal(0)) -> Account:
        """Open an account without a key."""
        account = Account(index, l1_address, tier, self.now_s())
        fees = FeeRates(tier.maker_tick * FEE_TICK, tier.taker_tick * FEE_TICK)
        self.exchange.add_account(account.id, deposit, fees=fees, owner=l1_address.lower())
        self.registry.add(account)
        self._margins_version = -1
        self.keep_margins()
        return account

    def add_local_account(self, number: int, deposit: Decimal) -> LocalAccount:
        """Open the seed's account of that number, with its keys and money."""
        seed = self.settings.seed
        account = self.add_account(
            FIRST_ACCOUNT + number, derive_l1_address(seed, number), TIERS[self.settings.tier], deposit
        )
        private = {slot: derive_private_key(seed, number, slot) for slot in range(FIRST_KEY, FIRST_KEY + KEYS)}
        for slot, key in private.items():
            account.keys[slot] = ApiKey(account.index, slot, public_of(key), self.now_us())
        return LocalAccount(
            account_index=account.index,
            l1_address=account.l1_address,
            public_key=account.keys[FIRST_KEY].public.data.hex(),
            api_keys={slot: private_text(key) for slot, key in private.items()},
            readonly_token=self.authority.issue_readonly(
                account, self.now_s() + READONLY_S, derive_secret(seed, number, "read-only")
            ),
        )

    def keep_margins(self) -> None:
        """Give every account the market's default margin fraction where it chose none; the exchange's is the least."""
        if self._margins_version == self.exchange.listing_version:
            return
        self._margins_version = self.exchange.listing_version
        for listing in self.perps():
            if self.exchange.market(listing.symbol).status is not MarketStatus.SETTLED:
                for account in self.registry.all():
                    self._keep_margin(account, listing)

    def _keep_margin(self, account: Account, listing: Listing) -> None:
        spec, setting = self.exchange.market(listing.symbol), self.exchange.margin_setting(account.id, listing.symbol)
        given = account.given_leverage.get(listing.symbol, spec.max_leverage)
        if listing.market_id in account.chosen or setting.leverage != given:
            fraction = self.fraction(account, listing)
            if fraction >= listing.min_fraction:
                return
        else:
            fraction = listing.default_fraction
        leverage = divide(Decimal(FRACTION_UNIT), Decimal(max(fraction, listing.min_fraction)))
        account.given_leverage[listing.symbol] = leverage
        # An account that can't carry the change keeps what it has.
        with suppress(RequestRefusedError):
            self.exchange.set_margin(account.id, listing.symbol, leverage=leverage)

    def fraction(self, account: Account, listing: Listing) -> int:
        """Return the initial margin fraction that an account has in a market, in ten-thousandths."""
        leverage = self.exchange.margin_setting(account.id, listing.symbol).leverage
        # Rounded down, as the venue keeps it; what a fraction was divided into comes back as that fraction.
        return int(divide(Decimal(FRACTION_UNIT), leverage) + _ROUNDING)

    def chose_margin(self, account: Account, listing: Listing) -> bool:
        """Tell whether an account has a setting of its own in a market: a fraction, or isolated margin."""
        setting = self.exchange.margin_setting(account.id, listing.symbol)
        is_given = setting.leverage == account.given_leverage.get(listing.symbol)
        return listing.market_id in account.chosen or not is_given or setting.mode is MarginMode.ISOLATED

    # --- what -----------------------------------------------------------------------------------------------------

    @property
    def listings(self) -> dict[str, Listing]:
        """Return every listed row by symbol: those of the start, and what the exchange listed or changed since."""
        if self._listing_version != self.exchange.listing_version:
            self._listing_version = self.exchange.listing_version
            for spec in self.exchange.markets():
                if spec.symbol not in self._ids:
                    perps = [market_id for market_id in self._ids.values() if market_id < _PERPS_BELOW]
                    self._ids[spec.symbol] = max(perps, default=-1) + 1
                given = self._given.get(spec.symbol)
                self._listed[spec.symbol] = with_rules(given, spec, self._ids[spec.symbol])
        return self._listed

    def perps(self) -> list[Listing]:
        """Return the perpetuals."""
        return [listing for listing in self.listings.values() if listing.is_perp]

    def listing(self, market_id: int) -> Listing:
        """
        Return a listed row.

        Raises:
            ApiError: 21602.
        """
        for listing in self.listings.values():
            if listing.market_id == market_id:
                return listing
        raise ApiError(21602)

    def perp(self, market_id: int) -> Listing:
        """
        Return a listed perpetual; nothing else trades here.

        Raises:
            ApiError: 21602.
        """
        listing = self.listing(market_id)
        if not listing.is_perp:
            raise ApiError(21602)
        return listing

    def status(self, listing: Listing) -> MarketStatus:
        """Return a market's status; a spot row is open and takes nothing."""
        return self.exchange.market(listing.symbol).status if listing.is_perp else MarketStatus.OPEN

    def find_order(self, account: Account, index: int) -> Order | None:
        """Return an account's order by its number, the venue's or the client's; of a client's the live one first."""
        order_id = self.records.order_id(index)
        if order_id is not None:
            return self.exchange.order(account.id, order_id)
        return self.exchange.order_by_client_id(account.id, str(index), open_only=False)

    def _earn(self, record: TradeRecord) -> None:
        for leg in (record.ask, record.bid):
            account = self.registry.find(leg.account_id)
            if account is not None:
                self.quota.earn(account.l1_address, record.price * record.size)

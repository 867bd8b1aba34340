"""The markets of one opened venue: loaded once, found by our name or by the venue's, loaded again on request."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

from perpkit.core.clock import Clock
from perpkit.core.errors import ConfigError, DecodeError, PluginError, UnknownMarketError
from perpkit.core.models import Market

T = TypeVar("T")

_RELOAD_AFTER = 60.0
"""Seconds between loads caused by one unknown name: a new listing is found, a typo doesn't hammer the venue."""


class MarketCatalog:
    """
    Markets by id, by instrument symbol and by the venue's own symbol.

    The face gives it the loader; plugins ask it for a market by native symbol when they decode.
    """

    def __init__(self, venue: str, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._load: Callable[[], Awaitable[list[Market]]] | None = None
        self._by_id: dict[str, Market] = {}
        self._by_native: dict[str, Market] = {}
        self._loaded_at: float | None = None
        self._looked_for: dict[str, float] = {}
        """The venue's names that the listing does not hold, and until when it is not loaded again for them."""
        self._lock = asyncio.Lock()

    def use_loader(self, load: Callable[[], Awaitable[list[Market]]]) -> None:
        """Tell it how markets are fetched."""
        self._load = load

    def replace(self, markets: Iterable[Market]) -> None:
        """
        Take a full listing in place of the one held. A market that is listed twice, all its rules alike, is one.

        Raises:
            PluginError: Two that differ share an id or a native symbol: orders for one would go to the other.
        """
        by_id: dict[str, Market] = {}
        by_native: dict[str, Market] = {}
        for market in markets:
            if by_id.get(market.id) == market:
                continue
            for table, key in ((by_id, market.id), (by_native, market.symbol)):
                if key in table:
                    msg = f"two markets go by {key!r}: {table[key].symbol!r} and {market.symbol!r}"
                    raise PluginError(msg, venue=self._venue, operation="fetch_markets")
                table[key] = market
        self._by_id, self._by_native = by_id, by_native
        self._loaded_at = self._clock.monotonic()

    @property
    def all(self) -> Mapping[str, Market]:
        """Every market held, by id."""
        return MappingProxyType(self._by_id)

    async def ensure(self) -> None:
        """Load the listing unless it is there."""
        if self._loaded_at is None:
            await self.refresh(only_if_missing=True)

    async def refresh(self, *, only_if_missing: bool = False) -> None:
        """Load the listing again. Calls at the same time share one load."""
        before = self._loaded_at
        async with self._lock:
            if self._loaded_at is not None and (only_if_missing or self._loaded_at != before):
                return
            if self._load is None:
                msg = "the market catalog has no loader yet; open the venue first"
                raise PluginError(msg, venue=self._venue)
            self.replace(await self._load())

    async def resolve(self, name: str | Market) -> Market:
        """
        Return the market that a user means: ``BTC-USD-PERP``, ``BTC-USD-PERP@paradex`` or the venue's own symbol.

        Raises:
            UnknownMarketError: The venue lists no such market; the message names the nearest.
            ConfigError: Neither a market nor a text.
        """
        if not isinstance(name, Market | str):
            raise ConfigError(f"market={name!r}: pass a Market or its name, such as BTC-USD-PERP", venue=self._venue)
        await self.ensure()
        if isinstance(name, Market):
            return self._own(name)
        found = self.get(name)
        if found is None and self._may_reload():
            await self.refresh()
            found = self.get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def get(self, name: str) -> Market | None:
        """Return a market already held, by id, instrument symbol or native symbol; None when there is none."""
        symbol, _, venue = name.partition("@")
        if venue and venue != self._venue:
            return None
        return self._by_id.get(f"{symbol}@{self._venue}") or self._by_native.get(name)

    async def by_symbol(self, native: str) -> Market | None:
        """Return the market with the venue's own symbol; None when the listing, looked at again, does not hold it."""
        await self.look_for([native])
        return self._by_native.get(native)

    async def with_markets(self, rows: Iterable[T], symbol: Callable[[T], str]) -> list[tuple[T, Market]]:
        """Put each row beside its market, which ``symbol`` names; rows of what is no perpetual are left out."""
        named = [(row, symbol(row)) for row in rows]
        await self.look_for([native for _, native in named])
        return [(row, self._by_native[native]) for row, native in named if native in self._by_native]

    async def with_every_market(
        self, rows: Iterable[T], symbol: Callable[[T], str], what: str
    ) -> list[tuple[T, Market]]:
        """
        Put each row beside its market, where none may be left out: the rows are of perpetuals.

        Raises:
            DecodeError: The listing, looked at again, does not hold the market of one; ``what`` says of what.
        """
        rows = list(rows)
        pairs = await self.with_markets(rows, symbol)
        if len(pairs) != len(rows):
            lacking = min({symbol(row) for row in rows} - {market.symbol for _, market in pairs})
            raise DecodeError(f"there is {what} in {lacking}, which the listing does not hold", venue=self._venue)
        return pairs

    async def look_for(self, natives: Iterable[str]) -> None:
        """
        Load the listing again, once for all of them, for names that the venue uses and that are not held: at once for
        one that comes up, since what was listed a moment ago may be traded already, and then at most once a minute.
        """
        now = self._clock.monotonic()
        unknown = [native for native in natives if native not in self._by_native]
        if self._loaded_at is None:
            await self.ensure()
        elif any(now >= self._looked_for.get(native, now) for native in unknown):
            await self.refresh()
        else:
            return
        self._looked_for = {native: until for native, until in self._looked_for.items() if now < until}
        nowhere = [native for native in unknown if native not in self._by_native]
        self._looked_for.update(dict.fromkeys(nowhere, now + _RELOAD_AFTER))

    def get_by_symbol(self, native: str) -> Market | None:
        """Return a market already held, by the venue's own symbol. For decoding stream frames, which can't wait."""
        return self._by_native.get(native)

    def _may_reload(self) -> bool:
        return self._loaded_at is None or self._clock.monotonic() - self._loaded_at >= _RELOAD_AFTER

    def _own(self, market: Market) -> Market:
        if market.venue != self._venue:
            msg = f"{market.id} is a market of {market.venue}, not of {self._venue}"
            raise UnknownMarketError(msg, venue=self._venue)
        # The rules held here are newer than, or the same as, those in the caller's copy.
        return self._by_id.get(market.id, market)

    def _unknown(self, name: str) -> UnknownMarketError:
        symbol, _, venue = name.partition("@")
        if venue and venue != self._venue:
            return UnknownMarketError(f"{name!r} names the venue {venue!r}; this is {self._venue}", venue=self._venue)
        known = [market.instrument.symbol for market in self._by_id.values()]
        by_base = {market.instrument.base: market.instrument.symbol for market in self._by_id.values()}
        like_its_base = [by_base[base] for base in difflib.get_close_matches(symbol, by_base, n=3)]
        near = list(dict.fromkeys(like_its_base + difflib.get_close_matches(symbol, known, n=3, cutoff=0.5)))[:3]
        hint = f"; did you mean {', '.join(near)}?" if near else f"; {len(known)} perpetuals are listed"
        return UnknownMarketError(f"no perpetual market {name!r}{hint}", venue=self._venue)

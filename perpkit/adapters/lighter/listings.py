"""
Lighter's own numbers of its markets. Payloads name a market by its index alone, and orders are whole numbers in units
that each market has of its own, so what the listing said is kept beside the core's markets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from perpkit.adapters.lighter import schema
from perpkit.adapters.lighter.config import VENUE
from perpkit.core.catalog import MarketCatalog
from perpkit.core.errors import UnknownMarketError
from perpkit.core.models import Market

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing:
    """
    What is kept of a market.

    Attributes:
        index: The venue's number of it; 0 is a market too.
        size_decimals: A size is sent as a whole number of 10^-size_decimals.
        price_decimals: The same for prices.
        default_fraction: Initial margin where the account has set none, in 1e-4.
        least_fraction: The least initial margin that may be set, in 1e-4.
        maintenance_fraction: In 1e-4.
        margin_mode: 0 cross, 1 isolated: what holds where the account has set none.
    """

    index: int
    symbol: str
    size_decimals: int
    price_decimals: int
    default_fraction: int
    least_fraction: int
    maintenance_fraction: int
    margin_mode: int


class Listings:
    """Markets by the venue's number. What the core calls them is asked of its catalog each time."""

    def __init__(self, markets: MarketCatalog) -> None:
        self._markets = markets
        self._by_index: dict[int, Listing] = {}
        self._by_symbol: dict[str, Listing] = {}

    def learn(self, rows: Iterable[schema.OrderBookDetail]) -> None:
        """Take a full listing in place of the one held."""
        found = [
            Listing(
                index=row.market_id,
                symbol=row.symbol,
                size_decimals=row.size_decimals,
                price_decimals=row.price_decimals,
                default_fraction=row.default_initial_margin_fraction,
                least_fraction=row.min_initial_margin_fraction,
                maintenance_fraction=row.maintenance_margin_fraction,
                margin_mode=row.market_config.market_margin_mode if row.market_config is not None else 0,
            )
            for row in rows
        ]
        self._by_index = {each.index: each for each in found}
        self._by_symbol = {each.symbol: each for each in found}

    def of(self, market: Market) -> Listing:
        """
        Return the venue's own numbers of a market.

        Raises:
            UnknownMarketError: It was not in the listing last read.
        """
        found = self._by_symbol.get(market.symbol)
        if found is None:
            raise UnknownMarketError(f"{market.id} is not in the listing that {VENUE} last gave", venue=VENUE)
        return found

    def held(self, index: int) -> Market | None:
        """Return the market of a number as far as it is held; for frames, which can't wait."""
        found = self._by_index.get(index)
        return self._markets.get_by_symbol(found.symbol) if found is not None else None

    async def market(self, index: int) -> Market | None:
        """Return the market of a number; None for what is no perpetual, also in the listing looked at again."""
        await self._look_for([index])
        return self.held(index)

    async def with_markets(self, rows: Iterable[T], index: Callable[[T], int]) -> list[tuple[T, Market]]:
        """Put each row beside its market, whose number ``index`` tells; rows of what is no perpetual are left out."""
        numbered = [(row, index(row)) for row in rows]
        await self._look_for([number for _, number in numbered])
        return [(row, market) for row, number in numbered if (market := self.held(number)) is not None]

    async def _look_for(self, indexes: Iterable[int]) -> None:
        await self._markets.ensure()
        # By names that no market has: the catalog reads the listing again, for each at most once a minute.
        await self._markets.look_for([f"market {index}" for index in indexes if self.held(index) is None])

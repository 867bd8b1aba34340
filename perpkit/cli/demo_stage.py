"""
What the demo's three venues have in common: the venue as a trader holds it beside the local exchange whose books it
can't see, and the claims that are held against those books on each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from perpkit.cli.account import positions_table
from perpkit.cli.story import Story
from perpkit.cli.witness import PATIENCE_SECONDS, Witness
from perpkit.core.clock import SystemClock
from perpkit.core.models import FundingPayment, Market, Position
from perpkit.core.opening import open_venue
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from perpkit.core.venue import Venue
from perpkit.sim.accounts import LedgerEntry
from perpkit.sim.orders import Order as HeldOrder
from perpkit.sim.server import SimServer

LocalT = TypeVar("LocalT", bound=SimServer)


@dataclass
class Stage(Generic[LocalT]):
    """
    What the acts on one venue share.

    Attributes:
        local: The exchange.
        ours: The venue as our trader holds it.
        account: Our name at the exchange, to look into its ledger with.
    """

    story: Story
    local: LocalT
    ours: Venue
    account: str

    def ledger(self) -> Sequence[LedgerEntry]:
        """Return what the exchange itself wrote down about our account."""
        return self.local.exchange.ledger_entries(self.account)

    def standing(self) -> list[HeldOrder]:
        """Return the orders of ours that the exchange holds open."""
        return [each for each in self.local.exchange.orders(self.account) if not each.is_closed]

    async def our_position(self) -> Position:
        """Show our only position."""
        [position] = await self.ours.fetch_positions()
        self.story.shows(positions_table([position]))
        return position

    def is_in_the_books(self, position: Position, market: Market) -> None:
        """Hold a position's size and entry price against the exchange's."""
        truth = self.local.exchange.position(self.account, market.symbol)
        self.story.expect(
            truth is not None and (position.size, position.entry_price) == (truth.size, truth.entry_price),
            "size and entry price are those of the exchange's own books",
        )

    async def the_position_is_gone(self, witness: Witness, since: int) -> None:
        """Hold that the stream tells of a flat position after event number ``since``, and that none is listed."""
        await witness.until(Position, lambda each: each.size == 0, "the position is flat", after=since)
        self.story.expect(await self.ours.fetch_positions() == [], "no position is left")

    async def the_books_balance(self, claim: str) -> None:
        """Hold our balance against the ledger's last entry, and have the exchange add up its own books."""
        [balance] = await self.ours.fetch_balances()
        self.story.expect(
            balance.total == self.ledger()[-1].balance_after, "the balance is the ledger's, to the last digit"
        )
        self.local.exchange.check_invariants()
        self.story.expect(True, claim)

    async def payments(self, market: Market, count: int) -> list[FundingPayment]:
        """Return the funding payments as soon as the venue lists so many, or what it lists after 20 seconds."""
        wall = SystemClock()
        deadline = wall.monotonic() + PATIENCE_SECONDS
        found = await self.ours.fetch_funding_payments(market)
        while len(found) < count and wall.monotonic() < deadline:
            await wall.sleep(0.05)
            found = await self.ours.fetch_funding_payments(market)
        return found


def opened(name: str, local: SimServer, limits: RateLimiterRegistry, **settings: Any) -> Venue:
    """
    Return a venue by its name, on a local exchange and that exchange's clock. Nothing is read from the environment.

    Args:
        limits: Its own registry: what else this process has asked of 127.0.0.1 is nothing to the demo.
    """
    return open_venue(
        name,
        "local",
        rest_url=local.url,
        ws_url=local.ws_url,
        clock=local.clock,
        limits=limits,
        environ={},
        **settings,
    )

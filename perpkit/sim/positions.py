"""
A position's arithmetic. The cost of what is open is kept exactly; averages are derived from it and never fed back.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from perpkit.core.models.account import MarginMode
from perpkit.sim.money import ZERO, divide, product, to_money


@dataclass(slots=True)
class Ended:
    """What a position had come to when it closed or flipped; ``max_size`` has its sign."""

    number: int
    max_size: Decimal
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    funding: Decimal
    open_fees: Decimal
    close_fees: Decimal
    created_at_ms: int


@dataclass(slots=True)
class Realized:
    """What a change of a position settled: from price and from funding; both positive when gained."""

    pnl: Decimal
    funding: Decimal
    funding_for: Decimal
    """The signed size that the funding was for."""
    ended: Ended | None
    """The position that this ended, if it did."""


@dataclass(slots=True, kw_only=True)
class Position:
    """
    One account's position in one market; stays when flat.

    Attributes:
        size: Signed, base units.
        cost: Signed: bought minus sold, for what is open; exact. Realized PnL has been taken out of it.
        cached_funding_index: Up to which funding is settled.
        exit_size, exit_value: What was closed since it opened, and for how much.
        isolated_margin: Cash set aside; 0 in cross mode.
        number: Counts the times that it was opened.
        max_size: The most that it has held since it opened, without a sign.
        open_fees, close_fees: Paid since it opened, for what added to it and for what took from it.
    """

    id: str
    account_id: str
    market: str
    size: Decimal = ZERO
    cost: Decimal = ZERO
    last_entry_price: Decimal = ZERO
    exit_size: Decimal = ZERO
    exit_value: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    realized_funding: Decimal = ZERO
    cached_funding_index: Decimal = ZERO
    isolated_margin: Decimal = ZERO
    last_fill_id: str | None = None
    created_at_ms: int = 0
    updated_at_ms: int = 0
    closed_at_ms: int | None = None
    sequence: int = 0
    number: int = 0
    max_size: Decimal = ZERO
    open_fees: Decimal = ZERO
    close_fees: Decimal = ZERO

    @property
    def entry_price(self) -> Decimal:
        """Average price of what is open, to 18 places; the last one when flat."""
        return divide(self.cost, self.size) if self.size else self.last_entry_price

    @property
    def exit_price(self) -> Decimal | None:
        """Average price of what was closed since it opened; None before."""
        return divide(self.exit_value, self.exit_size) if self.exit_size else None

    def unrealized_pnl(self, mark_price: Decimal) -> Decimal:
        """Gain if it were closed at the mark price; funding not in it."""
        return self.size * mark_price - self.cost

    def unrealized_funding(self, funding_index: Decimal) -> Decimal:
        """Funding since the last settlement; positive when it will be received. A long pays the index's growth."""
        return to_money(product(-self.size, funding_index - self.cached_funding_index))

    def settle_funding(self, funding_index: Decimal) -> Decimal:
        """Settle funding up to an index; returns it, positive when received."""
        amount = self.unrealized_funding(funding_index)
        self.cached_funding_index = funding_index
        self.realized_funding += amount
        return amount

    def trade(
        self, change: Decimal, price: Decimal, funding_index: Decimal, now_ms: int, fee: Decimal = ZERO
    ) -> Realized:
        """
        Add a trade.

        Args:
            change: Signed base units: positive bought.
            price: Of the trade.
            funding_index: The market's, now.
            now_ms: For the position's own times.
            fee: Of the trade; through a flip each position has its share.

        Returns:
            What it settled. Through a flip the old position is closed and a new one begins, both at ``price``.
        """
        funded_size = self.size
        funding = self.settle_funding(funding_index)
        closing = ZERO
        if self.size and (self.size > 0) != (change > 0):
            closing = min(abs(change), abs(self.size)).copy_sign(change)
        closing_fee = to_money(divide(product(fee, closing), change)) if closing else ZERO
        self.close_fees += closing_fee
        side = self.size
        pnl = self._reduce(closing, price) if closing else ZERO
        ended = self._ended(side) if closing and not self.size else None
        opening = change - closing
        if opening:
            if not self.size:
                self._begin(now_ms)
            self.size += opening
            self.cost += opening * price
            self.open_fees += fee - closing_fee
            self.max_size = max(self.max_size, abs(self.size))
        elif not self.size:
            self._end(now_ms)
        if self.size:
            self.last_entry_price = self.entry_price
        self.updated_at_ms = now_ms
        return Realized(pnl, funding, funded_size, ended)

    def _reduce(self, closing: Decimal, price: Decimal) -> Decimal:
        proceeds = -closing * price
        share = self.cost if closing == -self.size else to_money(divide(product(self.cost, -closing), self.size))
        pnl = proceeds - share
        self.cost -= share
        self.size += closing
        self.exit_size += abs(closing)
        self.exit_value += abs(closing) * price
        self.realized_pnl += pnl
        return pnl

    def _ended(self, side: Decimal) -> Ended:
        return Ended(
            number=self.number,
            max_size=self.max_size.copy_sign(side),
            entry_price=self.last_entry_price,
            exit_price=divide(self.exit_value, self.exit_size),
            pnl=self.realized_pnl,
            funding=self.realized_funding,
            open_fees=self.open_fees,
            close_fees=self.close_fees,
            created_at_ms=self.created_at_ms,
        )

    def _begin(self, now_ms: int) -> None:
        self.number += 1
        self.max_size = self.open_fees = self.close_fees = ZERO
        self.created_at_ms = now_ms
        self.closed_at_ms = None
        self.exit_size = self.exit_value = ZERO
        self.realized_pnl = self.realized_funding = ZERO

    def _end(self, now_ms: int) -> None:
        self.closed_at_ms = now_ms
        self.realized_pnl = self.realized_funding = ZERO


def margin_after_trade(
    margin: Decimal, before: Decimal, after: Decimal, price: Decimal, initial_fraction: Decimal
) -> Decimal:
    """
    Return the cash set aside for an isolated position after a trade.

    What is opened brings its initial margin at the trade's price; what is closed releases its share.
    """
    if not after:
        return ZERO
    if before and (before > 0) != (after > 0):
        return to_money(product(abs(after), price, initial_fraction))
    if abs(after) >= abs(before):
        return margin + to_money(product(abs(after) - abs(before), price, initial_fraction))
    return to_money(divide(product(margin, abs(after)), abs(before)))


@dataclass(frozen=True, slots=True)
class MarginChoice:
    """What an account chose for a market; leverage None means the market's highest."""

    leverage: Decimal | None = None
    mode: MarginMode = MarginMode.CROSS

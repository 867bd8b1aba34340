"""
What the venue's wire calls orders, fills and payments that the exchange's ledger has names of its own for. Tests know
the wire's names alone; only the back door is told the ledger's.
"""

from __future__ import annotations

from collections.abc import Sequence

from perpkit.sim.accounts import FundingPayment
from perpkit.sim.orders import Fill, Trade


class Names:
    """The names of a venue whose wire has those of the ledger; others replace what differs."""

    def order(self, ledger_id: str) -> str:
        """Return what the wire calls an order."""
        return ledger_id

    def ledger_order(self, wire_id: str) -> str:
        """Return what the ledger calls an order."""
        return wire_id

    def fills(self, account_id: str, fills: Sequence[Fill]) -> Sequence[str]:
        """Return what the wire calls each of these fills, which are some of an account's, oldest first."""
        return [each.id for each in fills]

    def trades(self, symbol: str, trades: Sequence[Trade]) -> Sequence[str]:
        """Return what the wire calls each of these trades of a market's tape."""
        return [each.id for each in trades]

    def payment(self, payment: FundingPayment) -> str:
        """Return what a plugin is to call a funding payment."""
        return payment.id

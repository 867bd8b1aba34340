"""Every rule of the suite, by area."""

from perpkit_conformance.rulebook import (
    account,
    books,
    faults,
    fills,
    funding,
    interface,
    markets,
    orders,
    session,
    streams,
    wire,
)
from perpkit_conformance.rulebook.cards import CARDS, CARDS_LEFT_OUT
from perpkit_conformance.rulebook.checks import CHECKS, CHECKS_LEFT_OUT

RULES = (
    *interface.RULES,
    *wire.RULES,
    *markets.RULES,
    *account.RULES,
    *funding.RULES,
    *orders.RULES,
    *fills.RULES,
    *session.RULES,
    *streams.RULES,
    *books.RULES,
    *faults.RULES,
)

__all__ = ["CARDS", "CARDS_LEFT_OUT", "CHECKS", "CHECKS_LEFT_OUT", "RULES"]

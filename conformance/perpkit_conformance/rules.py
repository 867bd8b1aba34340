"""
The rules as data: what a venue plugin must do, at which tier, by which kind of proof, and which real bug each stops.

The rules themselves are in :mod:`perpkit_conformance.rulebook`, a module for each area. Tests point at them with
``@pytest.mark.rule("id")``; ``docs/rules/<id>.md`` is a page for each.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

DOCS = "docs/rules"
"""Where a rule's page is, from the project's root."""


class Tier(StrEnum):
    """How much is proved. Each tier includes those before it."""

    BRONZE = "bronze"
    """It loads, and its data is right: markets, balances, positions, funding."""
    SILVER = "silver"
    """It trades: orders, outcomes, cancels, fills, rate limits, secrets."""
    GOLD = "gold"
    """It survives: streams, gaps, reconnects, exactly-once, faults."""
    PLATINUM = "platinum"
    """Random histories, soak, and dated evidence from the venue's testnet."""


TIERS = tuple(Tier)


class Layer(StrEnum):
    """How a rule is proved."""

    STATIC = "static"
    """By reading and registering the plugin; nothing is sent."""
    WIRE = "wire"
    """By holding what was sent against the venue's machine-readable contract."""
    TRUTH = "truth"
    """By comparing what comes back with the local exchange's ledger."""
    LIFECYCLE = "lifecycle"
    """By following orders and streams through their states."""
    FAULTS = "faults"
    """By breaking something on the way."""
    LIVE = "live"
    """On the venue's testnet."""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One thing that a plugin must do.

    Attributes:
        id: Kebab-case; the name of its page.
        checks: Ids of the catalogue of checks that it covers; see :data:`perpkit_conformance.rulebook.CHECKS`.
        sentence: What must hold.
        bug: The real bug behind it.
        fix: What to do when it fails.
        cards: Acceptance cards of the best peer that it covers.
    """

    id: str
    tier: Tier
    layer: Layer
    checks: tuple[str, ...]
    sentence: str
    bug: str
    fix: str
    cards: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        """Its page, from the project's root."""
        return f"{DOCS}/{self.id}.md"


class UnknownRuleError(LookupError):
    """A test or a waiver names a rule that does not exist."""


@cache
def rules() -> Mapping[str, Rule]:
    """Return every rule by id, in the order of the rulebook."""
    from perpkit_conformance.rulebook import RULES  # noqa: PLC0415 - the rulebook is written with the classes above

    return {rule.id: rule for rule in RULES}


def rule(rule_id: str) -> Rule:
    """
    Return a rule.

    Raises:
        UnknownRuleError: There is none; the message names the nearest.
    """
    try:
        return rules()[rule_id]
    except KeyError:
        near = difflib.get_close_matches(rule_id, rules(), n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        msg = f"there is no rule {rule_id!r}{hint}"
        raise UnknownRuleError(msg) from None


def up_to(tier: Tier) -> tuple[Tier, ...]:
    """Return a tier and those beneath it."""
    return TIERS[: TIERS.index(tier) + 1]


def in_tier(tier: Tier, among: Iterable[Rule] | None = None) -> list[Rule]:
    """Return the rules of one tier alone."""
    return [each for each in (rules().values() if among is None else among) if each.tier is tier]

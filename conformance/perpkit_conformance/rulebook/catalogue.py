"""
The catalogue that the rules cover: ids of checks, ids of the best peer's acceptance cards, and what is left out of
each, with the reason. A test holds the rules against it.
"""

from __future__ import annotations


def _ids(group: str, last: int) -> tuple[str, ...]:
    return tuple(f"{group}{number}" for number in range(1, last + 1))


CHECKS: tuple[str, ...] = (
    *_ids("ST", 9),
    *_ids("MK", 10),
    *_ids("BL", 6),
    *_ids("PS", 9),
    *_ids("FN", 14),
    *_ids("OR", 20),
    *_ids("FL", 8),
    *_ids("PU", 7),
    *_ids("PV", 9),
    *_ids("BK", 9),
    *_ids("AU", 7),
    *_ids("RL", 6),
    *_ids("FT", 8),
    *_ids("TU", 5),
    *_ids("SE", 6),
)
"""
Static and interface, markets, balances, positions, funding, orders, fills, public streams, private streams, order
book, auth, rate limits, faults, time and units, security.
"""

CHECKS_LEFT_OUT: dict[str, str] = {
    "PU4": "Only where a venue caps the channels of one connection. The core spreads them by the cap that a plugin "
    "declares, and its own tests prove that.",
    "SE3": "About the suite, not about a plugin: the project's own tests prove that the live suite refuses a mainnet "
    "without a double opt-in, caps sizes and leaves the account flat.",
}
"""Checks that no rule covers, and why."""


def _cards(group: str, *spans: tuple[int, int]) -> tuple[str, ...]:
    return tuple(f"TC-{group}{number:02d}" for first, last in spans for number in range(first, last + 1))


CARDS: tuple[str, ...] = (
    *_cards("D", (1, 3), (10, 15), (20, 21), (30, 31), (40, 41), (50, 53), (60, 63), (70, 72)),
    *_cards("E", (1, 6), (10, 19), (20, 27), (30, 36), (40, 44), (50, 53), (60, 63), (70, 78), (80, 87)),
    *_cards("E", (90, 92), (94, 94), (96, 96), (99, 101)),
)
"""The acceptance cards that NautilusTrader runs by hand."""

_NO_HISTORY = "perpkit has no request for past books or quotes: no perp venue in view serves them."
_OPTIONS = "Options are typed and left out of version 1."
_BRACKET = "Brackets are built by a strategy from single orders; no hook sends several orders that know of each other."
_STRATEGY = "What a strategy does when it stops; perpkit has none. Canceling and closing are rules of their own."

CARDS_LEFT_OUT: dict[str, str] = {
    "TC-D15": _NO_HISTORY,
    "TC-D21": _NO_HISTORY,
    "TC-D40": "Candles are fetched and not streamed in version 1.",
    "TC-D61": "A perpetual does not close; a settled market is a status (market-status-follows).",
    "TC-D62": _OPTIONS,
    "TC-D63": _OPTIONS,
    "TC-D71": "Subscriptions take no venue-specific parameters in version 1.",
    "TC-D72": "Requests take no venue-specific parameters in version 1; orders do, in their options.",
    "TC-E04": "Fill-or-kill as a market order: a market order is IOC whatever stands in the intent.",
    "TC-E05": "Sizes are in base units on every path; a size in quote is turned into one before the order.",
    "TC-E19": "DAY is no time in force of perpkit: perpetuals trade around the clock.",
    "TC-E50": _BRACKET,
    "TC-E51": _BRACKET,
    "TC-E52": _BRACKET,
    "TC-E53": _BRACKET,
    "TC-E62": "Icebergs are a venue's option where it has them, not a part of the interface.",
    "TC-E82": _STRATEGY,
    **dict.fromkeys(_cards("E", (90, 92), (94, 94), (96, 96), (99, 101)), _OPTIONS),
}
"""Cards that no rule covers, and why."""

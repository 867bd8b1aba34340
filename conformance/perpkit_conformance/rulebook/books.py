"""The order book."""

from __future__ import annotations

from perpkit_conformance.rules import Layer, Rule, Tier

G, P = Tier.GOLD, Tier.PLATINUM

RULES = (
    Rule(
        "book-equals-the-exchanges",
        G,
        Layer.TRUTH,
        ("BK1", "BK3"),
        "After a random sequence of operations the local book is the exchange's.",
        "An absolute quantity applied as a change, or the other way round.",
        "Find out what a delta of the venue means.",
        ("TC-D10", "TC-D12", "TC-D14"),
    ),
    Rule(
        "book-gap-is-noticed",
        G,
        Layer.FAULTS,
        ("BK2",),
        "A missing update makes the book stale at once, and it is read anew.",
        "A book that was wrong for hours after one lost message.",
        "Fill in sequence and previous_sequence by the venue's rule.",
    ),
    Rule(
        "book-snapshot-replaces",
        G,
        Layer.FAULTS,
        ("BK4",),
        "A snapshot replaces every level, also in the middle of a stream.",
        "Stale levels left beside the new ones.",
        "Emit a BookSnapshot for it, not a BookDelta.",
    ),
    Rule(
        "book-levels-are-exact",
        G,
        Layer.TRUTH,
        ("BK5",),
        "Size zero removes a level, and 1.10 is the level 1.1.",
        "A ghost level that nobody could remove.",
        "Keep prices as Decimal; turn the venue's removals into size 0.",
    ),
    Rule(
        "book-order-of-messages",
        G,
        Layer.FAULTS,
        ("BK6",),
        "A repeated or old delta changes nothing, and deltas before the snapshot wait for it.",
        "A replayed delta.",
        "Fill in sequence on snapshots and deltas alike.",
    ),
    Rule(
        "book-sides-are-sorted",
        G,
        Layer.TRUTH,
        ("BK7",),
        "Both sides are there, best first, not crossed, within the depth that the venue streams.",
        "Bids appended to asks.",
        "Split by the venue's field for the side.",
    ),
    Rule(
        "book-empty-sides",
        G,
        Layer.FAULTS,
        ("BK8",),
        "An empty book, one with a single side and a null instead of a list are books.",
        "A parser that crashed on the first empty book.",
        "Give lists a default of empty, and take null for it.",
    ),
    Rule(
        "book-counter-restarts",
        G,
        Layer.FAULTS,
        ("BK9",),
        "A new connection's counter may begin anywhere; within one it must follow.",
        "A server's restart taken for a gap, for ever.",
        "Take the number after a snapshot as the new beginning.",
    ),
)

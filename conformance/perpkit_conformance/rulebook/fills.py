"""Fills."""

from __future__ import annotations

from perpkit_conformance.rules import Layer, Rule, Tier

S, G = Tier.SILVER, Tier.GOLD

RULES = (
    Rule(
        "fills-exactly-once",
        G,
        Layer.FAULTS,
        ("FL1",),
        "Each fill of the ledger is delivered once over REST, stream, reconnect and restart together.",
        "Fills twice after a reconnect; trades of an order that were always [].",
        "Give each fill the venue's own id, the same on every path.",
    ),
    Rule(
        "fills-add-up",
        S,
        Layer.TRUTH,
        ("FL2",),
        "What was filled grows, never beyond the size, and the average price is that of the fills.",
        "An average price of None; fills above the order's size.",
        "Read the venue's cumulative figures as cumulative.",
    ),
    Rule(
        "fees-are-the-ledgers",
        S,
        Layer.TRUTH,
        ("FL3",),
        "Each fill has the ledger's fee, positive when paid, in its asset, as maker or taker.",
        "The sign of fees inverted; fees as constants.",
        "Find out the venue's sign, and whether a rebate is negative.",
    ),
    Rule(
        "fills-around-acknowledgements",
        G,
        Layer.FAULTS,
        ("FL4",),
        "A fill that comes before the order's acknowledgement or after the cancel's is kept.",
        "A fill dropped because its order was not known yet, or no longer.",
        "Hand every fill on; the core puts them in order.",
    ),
    Rule(
        "fill-pages-are-complete",
        S,
        Layer.TRUTH,
        ("FL5",),
        "Windows and pages return every fill once, also at their edges and within one millisecond.",
        "100 rows and no more.",
        "Follow the cursor to its end, and drop what repeats by id.",
    ),
    Rule(
        "fill-kinds-are-typed",
        S,
        Layer.TRUTH,
        ("FL6",),
        "Liquidations, ADL and settlements are typed, and an unknown kind does not lose the fill.",
        "A liquidation that broke the decoder.",
        "Map the kinds that the contract lists; hand on the rest as trades with a warning.",
    ),
    Rule(
        "fill-side-is-ours",
        S,
        Layer.TRUTH,
        ("FL7",),
        "The side of a fill is the account's own, as maker too, and orders placed elsewhere are seen.",
        "The taker's side handed on for our maker fills.",
        "Find out whose side the venue writes.",
    ),
    Rule(
        "ledger-identity",
        S,
        Layer.TRUTH,
        ("FL8",),
        "Realized PnL - fees + funding + transfers is the change of the balance, from what the plugin returned alone.",
        "Any wrong sign, anywhere.",
        "The difference in the message names the part that is off.",
    ),
)

"""Faults, and what only long or random runs show."""

from __future__ import annotations

from perpkit_conformance.rules import Layer, Rule, Tier

G, P = Tier.GOLD, Tier.PLATINUM

RULES = (
    Rule(
        "reads-fail-typed",
        G,
        Layer.FAULTS,
        ("FT1",),
        "A read met by a refusal, a timeout, a 500, HTML, a cut body or an error in a 200 raises a typed error.",
        "An unhandled HTML page; an error logged, the old state kept, the caller told nothing.",
        "Let the core's errors through; raise VenueError for the venue's own.",
    ),
    Rule(
        "sockets-fail-typed",
        G,
        Layer.FAULTS,
        ("FT2",),
        "Every way in which a socket can end or go mad is survived, and told in a stream status.",
        "An exception in the pong handler blocked reconnecting.",
        "Leave the connection to the core; keep decode free of state.",
    ),
    Rule(
        "maintenance-is-told",
        G,
        Layer.FAULTS,
        ("FT3",),
        "In maintenance and in cancel-only mode the plugin opens, reads what it can, and says VenueUnavailableError.",
        "A start that crashed on a 503.",
        "Do no I/O in start that the venue may refuse; map its state.",
    ),
    Rule(
        "restart-recovers-orders",
        G,
        Layer.FAULTS,
        ("FT4",),
        "An order whose process died between sending and the answer is found again by its client id.",
        "An orphan order that nobody managed.",
        "Make fetch_order find by client id, among closed orders too.",
    ),
    Rule(
        "message-disorder-is-harmless",
        G,
        Layer.FAULTS,
        ("FT5",),
        "Repeated, delayed and reordered messages leave the state that the ledger has.",
        "State that went backwards.",
        "Fill in sequence numbers and times; keep decode free of state.",
    ),
    Rule(
        "any-spelling-of-a-number",
        G,
        Layer.FAULTS,
        ("FT6",),
        "Numbers as text, integer, with an exponent, blank or null are read as they are, or refused with the field.",
        "A client that stopped when the venue wrote 1 for 1.0.",
        "Decode with perpkit.core.transport.wire_json.",
    ),
    Rule(
        "cancellation-is-safe",
        G,
        Layer.FAULTS,
        ("FT7",),
        "A call canceled anywhere leaks no socket and no lock, and the venue stays usable.",
        "A lock held for ever by a task that was gone.",
        "Release in finally; let CancelledError through.",
    ),
    Rule(
        "random-histories-agree",
        P,
        Layer.TRUTH,
        ("FL8", "BL5", "OR12"),
        "After random histories of orders, fills, funding and faults everything the plugin returns is the ledger's.",
        "What no example was written for.",
        "Run it again with the seed in the message.",
    ),
    Rule(
        "soak-stays-bounded",
        P,
        Layer.FAULTS,
        ("FT8",),
        "A long run with random faults keeps memory and caches bounded, and the same seed gives the same run.",
        "A cache that grew for ever.",
        "Bound every cache of the plugin.",
    ),
    Rule(
        "testnet-evidence",
        P,
        Layer.LIVE,
        (),
        "The read-only checks passed on the venue's testnet, at a date that the card shows.",
        "Paper trading passed, live did not.",
        "Run perpkit conformance VENUE --live testnet with testnet credentials.",
    ),
    Rule(
        "testnet-order",
        P,
        Layer.LIVE,
        (),
        "The smallest order was placed on the venue's testnet, seen, canceled, and nothing was left open.",
        "Signatures that only the simulator accepted.",
        "Run perpkit conformance VENUE --live testnet --live-trade with testnet credentials.",
    ),
)

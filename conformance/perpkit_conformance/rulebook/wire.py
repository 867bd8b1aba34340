"""What is sent, against the venue's published contract."""

from __future__ import annotations

from perpkit_conformance.rules import Layer, Rule, Tier

RULES = (
    Rule(
        "requests-follow-the-contract",
        Tier.BRONZE,
        Layer.WIRE,
        ("OR1", "AU3"),
        "Every request has a path, method, parameters, enum values, headers and body that the venue's contract knows.",
        "`GET /api/v1/account?by=address` where only index and l1_address exist; endpoints that never existed.",
        "Look the request up in the venue's contract: the message names the nearest that exists.",
    ),
    Rule(
        "frames-follow-the-contract",
        Tier.GOLD,
        Layer.WIRE,
        ("PU1",),
        "Every frame sent is one that the venue's contract knows: address, envelope, method, parameters, channel.",
        '`{"type": "subscribe", "channels": [...]}` to a venue that speaks JSON-RPC; a host without `api.`.',
        "Look the method and the channel up in the venue's contract.",
    ),
    Rule(
        "all-traffic-is-seen",
        Tier.BRONZE,
        Layer.WIRE,
        ("SE1", "RL1"),
        "All that reaches the venue went through the core's transport, where it is limited, redacted and recorded.",
        "A plugin with an HTTP client of its own: no limits, no redaction, no timeouts, blind tests.",
        "Use context.http(...) and the core's stream engine.",
    ),
)

"""A broken plugin; see its class."""

from __future__ import annotations

import re
from dataclasses import replace

from perpkit.adapters.extended import endpoints
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.extended.shapes import WirePlugin
from tests.conformance.bank.registry import broken


@broken(
    rules="no-float-in-code fills-exactly-once",
    knock_on="any-spelling-of-a-number client-ids-are-echoed fees-are-the-ledgers fill-kinds-are-typed "
    "fill-pages-are-complete fill-side-is-ours liquidations-are-labelled message-disorder-is-harmless "
    "odd-frames-are-ignored old-positions-are-adopted random-histories-agree reconnect-loses-nothing "
    "resync-repeats-nothing sizes-are-base-units soak-stays-bounded sockets-fail-typed",
    checks="TU3 FL1",
)
class FillIdsThroughDoubles(WirePlugin):
    """Reads the ids of fills as doubles, which hold no number of nineteen digits."""

    paths = (endpoints.TRADES,)

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        body = re.sub(rb'("id":)(\d+)', lambda found: found[1] + b"%d" % int(float(found[2])), reply.body)
        return replace(reply, body=body)

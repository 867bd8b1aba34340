"""What a venue can do, as data that users may query; and how a plugin describes itself."""

from __future__ import annotations

import re
from datetime import timedelta

from pydantic import Field

from perpkit.core.models import (
    Channel,
    FundingAccrual,
    MarginMode,
    OrderType,
    PriceKind,
    SelfTradePrevention,
    TimeInForce,
)
from perpkit.core.models.base import Model


class ClientOrderIdRule(Model):
    """
    What the venue accepts as our id of an order.

    Attributes:
        max_length: In characters.
        pattern: A regular expression that the whole id must match.
        numeric_max: For venues whose ids are integers: the largest.
        maps_text: With ``numeric_max``: other texts are taken too, and the plugin finds a number for each. The ids that
            perpkit makes by itself are numbers all the same.
    """

    max_length: int
    pattern: str = "[A-Za-z0-9_-]+"
    numeric_max: int | None = None
    maps_text: bool = False

    def problem(self, client_order_id: str) -> str | None:
        """Say what is wrong with an id, or None."""
        if not 0 < len(client_order_id) <= self.max_length:
            return f"client_order_id has {len(client_order_id)} characters; 1 to {self.max_length} are accepted"
        if not re.fullmatch(self.pattern, client_order_id):
            return f"client_order_id {client_order_id!r} does not match {self.pattern}"
        if self.numeric_max is not None and not self.maps_text and int(client_order_id) > self.numeric_max:
            return f"client_order_id {client_order_id} is above {self.numeric_max}"
        return None


class Capabilities(Model):
    """
    What a venue serves through its plugin. The suite holds each claim against what the plugin does.

    Attributes:
        hooks: Names of the hooks that are implemented. ``describe_venue`` need not fill it in: the plugin manager does,
            from what was registered.
        channels: Stream channels that the venue streams; the core polls for the others where a fetch hook can serve
            them.
        async_acceptance: An accepted order may still be refused later, through its own update.
        never_accepted_after: How long after sending the venue may still accept an order; past that, an order it
            knows nothing of never was. None: absence proves nothing.
        max_batch_size: Orders in one ``place_orders``.
    """

    hooks: frozenset[str] = frozenset()
    channels: frozenset[Channel] = frozenset()
    order_types: frozenset[OrderType] = frozenset()
    times_in_force: frozenset[TimeInForce] = frozenset()
    post_only: bool = False
    reduce_only: bool = False
    self_trade_prevention: frozenset[SelfTradePrevention] = frozenset()
    trigger_kinds: frozenset[PriceKind] = frozenset()
    margin_modes: frozenset[MarginMode] = frozenset()
    funding_accrual: FundingAccrual | None = None
    async_acceptance: bool = False
    never_accepted_after: timedelta | None = None
    max_batch_size: int = 1
    client_order_id: ClientOrderIdRule = ClientOrderIdRule(max_length=36)
    order_options: frozenset[str] = frozenset()
    candle_intervals: frozenset[timedelta] = frozenset()


class RateLimit(Model):
    """
    One published limit.

    Attributes:
        name: What the plugin calls the quota.
        requests: So many (or so much weight) ...
        per: ... in so long.
        scope: ``account`` or ``ip``.
        source: Where the venue says so.
    """

    name: str
    requests: int = Field(gt=0)
    per: timedelta
    scope: str = Field(pattern="^(account|ip)$")
    source: str


class VenueDescription(Model):
    """
    A plugin's account of itself.

    Attributes:
        name: The entry point's name, and what stands after the ``@`` of a market id.
        environments: Those it can be opened in; the first is the default.
    """

    name: str = Field(pattern="^[a-z][a-z0-9_-]*$")
    title: str
    environments: tuple[str, ...] = Field(min_length=1)
    capabilities: Capabilities
    rate_limits: tuple[RateLimit, ...] = ()
    docs: str | None = None

"""
From what a user asks to what may be sent: the client order id, the venue's abilities, a bound for market orders, the
market's rules. Everything that is refused here is refused before anything leaves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from perpkit.core import quantize
from perpkit.core.capabilities import Capabilities
from perpkit.core.client_ids import ClientOrderIds
from perpkit.core.errors import CapabilityError, InvalidOrderError
from perpkit.core.models import BookSnapshot, Market, OrderIntent, OrderType
from perpkit.core.slippage import bound_market_order


class OrderPreparation:
    """Makes intents ready for one venue."""

    def __init__(self, venue: str, capabilities: Capabilities, client_ids: ClientOrderIds) -> None:
        self._venue = venue
        self._able = capabilities
        self._client_ids = client_ids

    async def prepare(
        self, intent: OrderIntent, market: Market, fetch_top: Callable[[Market], Awaitable[BookSnapshot]]
    ) -> OrderIntent:
        """
        Return the order as it will be sent: on the market's grid, with its id.

        Args:
            fetch_top: Reads the best quotes; called for market orders with a slippage bound only.

        Raises:
            InvalidOrderError: It breaks a rule. Nothing was sent.
            CapabilityError: The venue does not serve what it asks. Nothing was sent.
        """
        changes: dict[str, Any] = {"market_id": market.id}
        if intent.client_order_id is None:
            changes["client_order_id"] = self._client_ids.next()
        elif problem := self._able.client_order_id.problem(intent.client_order_id):
            raise InvalidOrderError(problem, venue=self._venue, client_order_id=intent.client_order_id)
        intent = _with(intent, changes)
        self._check_capabilities(intent)
        if intent.type is OrderType.MARKET and intent.max_slippage is not None:
            intent = bound_market_order(intent, market, await fetch_top(market))
        return quantize.check_intent(intent, market)

    def _check_capabilities(self, intent: OrderIntent) -> None:
        if problem := self._inability(intent):
            msg = f"the venue does not serve {problem}"
            raise CapabilityError(
                msg, venue=self._venue, operation="place_order", client_order_id=intent.client_order_id
            )

    def _inability(self, intent: OrderIntent) -> str | None:
        able = self._able
        if intent.type not in able.order_types:
            return f"{intent.type} orders; it has {_words(able.order_types)}"
        if intent.type is not OrderType.MARKET and intent.time_in_force not in able.times_in_force:
            return f"time in force {intent.time_in_force}; it has {_words(able.times_in_force)}"
        if intent.post_only and not able.post_only:
            return "post_only"
        if intent.reduce_only and not able.reduce_only:
            return "reduce_only"
        if intent.self_trade_prevention and intent.self_trade_prevention not in able.self_trade_prevention:
            return f"self-trade prevention {intent.self_trade_prevention}; it has {_words(able.self_trade_prevention)}"
        if intent.trigger_kind and intent.trigger_kind not in able.trigger_kinds:
            return f"triggers on {intent.trigger_kind}; it has {_words(able.trigger_kinds)}"
        if unknown := sorted(set(intent.options) - able.order_options):
            return f"the order option {', '.join(unknown)}; it has {_words(able.order_options)}"
        return None


def _with(intent: OrderIntent, changes: dict[str, Any]) -> OrderIntent:
    """Return the intent with other names. It is valid and frozen, so that needs no second validation of the rest."""
    if intent.options:
        # All but these: their maker may still change them, so they are judged again, and copied.
        return intent.replace(**changes)
    return intent.trusted_replace(**changes, options={})


def _words(values: frozenset[Any]) -> str:
    return ", ".join(sorted(str(value) for value in values)) or "none"

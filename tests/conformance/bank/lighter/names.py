"""Broken plugins: texts as client order ids, where the venue keeps numbers, and the way back from those."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from perpkit.adapters.lighter.order_ids import client_index
from perpkit.adapters.lighter.venue import LighterVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Order, OrderIntent
from tests.conformance.bank.lighter.shapes import SpoiledPlugin
from tests.conformance.bank.registry import broken


@broken(rules="client-ids-are-echoed", knock_on="restart-recovers-orders", checks="OR5")
class IdsWithoutCase(LighterVenue):
    """Finds the number of a text by its small letters, so that two texts are one."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        name = intent.client_order_id
        return await super().place_order(intent if name is None else intent.replace(client_order_id=name.lower()))


@broken(rules="restart-recovers-orders", checks="OR5")
class TextsForgotten(SpoiledPlugin):
    """Keeps the texts in memory alone, though it was given a file for them."""

    # Without a restart there is nothing to see.
    passes = frozenset({"__init__ again"})

    def spoil(self, session: Any) -> None:
        """See the class."""
        session.client_ids._path = None


@broken(rules="client-ids-are-echoed", checks="OR5")
class LatestTextWins(SpoiledPlugin):
    """Gives a number that stands for one text to another one: their orders can't be told apart any more."""

    # Only texts that share a number differ, and the test of those reads the history.
    passes = frozenset({"fetch_order_history"})

    def spoil(self, session: Any) -> None:
        """See the class."""
        ids = session.client_ids
        good = ids.claim

        async def claim(client_order_ids: Iterable[str | None]) -> None:
            names = list(client_order_ids)
            for name in names:
                for known in (ids._sent, ids._asked_for):
                    known.pop(client_index(name), None)
            await good(names)

        ids.claim = claim

"""Broken plugins: what is claimed, and what answers are made of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.capabilities import VenueDescription
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Candle, Market, PriceKind, TimeInForce
from tests.conformance.bank.registry import broken


@broken(rules="claims-match-code", knock_on="order-types-take-effect", checks="ST3")
class ClaimsFillOrKill(ParadexVenue):
    """Claims a time in force that the venue does not have."""

    @hookimpl
    def describe_venue(self) -> VenueDescription:
        """See the class."""
        said = super().describe_venue()
        ours = said.capabilities
        return said.replace(capabilities=ours.replace(times_in_force=ours.times_in_force | {TimeInForce.FOK}))


@broken(rules="answers-have-their-type", checks="ST4")
class AnswersWithATuple(ParadexVenue):
    """Answers with a tuple where a list is due."""

    @hookimpl
    async def fetch_fees(self, markets: Sequence[Market] | None) -> Any:
        """See the class."""
        return tuple(await super().fetch_fees(markets))


@broken(
    rules="models-hold-no-float",
    knock_on="public-data-is-exact schema-changes-survive unknown-enum-values-survive",
    checks="ST5",
)
class FloatsInModels(ParadexVenue):
    """Builds models of floats, past their checks."""

    @hookimpl
    async def fetch_candles(
        self, market: Market, interval: timedelta, since: datetime, until: datetime, price_kind: PriceKind
    ) -> list[Candle]:
        """See the class."""
        candles = await super().fetch_candles(market, interval, since, until, price_kind)
        # Written so that the source has no float in it: the rule about source is another one.
        return [Candle.model_construct(**{**dict(each), "volume": each.volume.__float__()}) for each in candles]


@broken(rules="opens-and-closes", knock_on="all-traffic-is-seen", checks="ST1")
class ConstructorAsks(ParadexVenue):
    """Asks the venue while it is made."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        with contextlib.suppress(RuntimeError):
            self._asked = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        async with aiohttp.ClientSession() as own, own.get(f"{self._settings.rest_base}/system/config") as answer:
            await answer.read()

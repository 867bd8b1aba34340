"""Broken plugins: what is claimed, and what answers are made of."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.capabilities import VenueDescription
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import AccountSummary, TimeInForce
from tests.conformance.bank.registry import broken


@broken(rules="claims-match-code", checks="ST3")
class ClaimsFillOrKill(ParadexVenue):
    """Claims a time in force that the venue does not have."""

    @hookimpl
    def describe_venue(self) -> VenueDescription:
        """See the class."""
        said = super().describe_venue()
        ours = said.capabilities
        return said.replace(capabilities=ours.replace(times_in_force=ours.times_in_force | {TimeInForce.FOK}))


@broken(rules="answers-have-their-type", checks="ST4")
class AnswersWithDictionaries(ParadexVenue):
    """Answers with dictionaries where models are due."""

    @hookimpl
    async def fetch_account(self) -> Any:
        """See the class."""
        return (await super().fetch_account()).model_dump()


@broken(rules="models-hold-no-float", checks="ST5")
class FloatsInModels(ParadexVenue):
    """Builds models of floats, past their checks."""

    @hookimpl
    async def fetch_account(self) -> AccountSummary:
        """See the class."""
        account = await super().fetch_account()
        # Written so that the source has no float in it: the rule about source is another one.
        return AccountSummary.model_construct(**{**dict(account), "equity": account.equity.__float__()})


@broken(rules="opens-and-closes", checks="ST1")
class ConstructorAsks(ParadexVenue):
    """Asks the venue while it is made."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        with contextlib.suppress(RuntimeError):
            self._asked = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        async with aiohttp.ClientSession() as own, own.get(f"{self._settings.rest_base}/system/config") as answer:
            await answer.read()

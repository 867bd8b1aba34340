"""Broken plugins: requests that the venue's contract does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import LeverageSetting, MarginMode, Market, TradingFees
from tests.conformance.bank.paradex.shapes import WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import Request


@broken(
    rules="requests-follow-the-contract",
    knock_on="bad-credentials-are-named public-data-is-exact reads-fail-typed schema-changes-survive "
    "timestamps-plausible unknown-enum-values-survive",
    checks="OR1",
    mistakes="M4",
)
class WrongParameterValue(WirePlugin):
    """Asks for candles of the price ``LAST``, where the contract has ``last``."""

    paths = ("/markets/klines",)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        params = given["params"]
        return method, path, {**given, "params": {**params, "price_kind": params["price_kind"].upper()}}


@broken(
    rules="requests-follow-the-contract",
    knock_on="bad-credentials-are-named funding-accrual-is-realized funding-annualizes-alike "
    "funding-history-is-ordered funding-history-says-what-it-is ratios-are-fractions reads-fail-typed "
    "schema-changes-survive timestamps-plausible unknown-enum-values-survive",
    checks="OR1",
    mistakes="M4",
)
class WrongParameterName(WirePlugin):
    """Asks for pages of the funding history by ``limit``, where the contract has ``page_size``."""

    paths = ("/funding/data",)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        params = dict(given["params"])
        return method, path, {**given, "params": {**params, "limit": params.pop("page_size")}}


@broken(
    rules="requests-follow-the-contract",
    knock_on="bad-credentials-are-named maintenance-is-told market-status-follows reads-fail-typed "
    "rejections-say-why timestamps-plausible",
    checks="OR1",
    mistakes="M6",
)
class EndpointThatNeverWas(WirePlugin):
    """Asks ``/system/health``, which does not exist, for the state."""

    paths = ("/system/state",)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, "/system/health", given


@broken(
    rules="answers-have-their-type",
    knock_on="all-traffic-is-seen hooks-are-async no-auth-across-redirects no-placeholders no-silent-attribution "
    "requests-follow-the-contract secrets-stay-hidden settings-really-change",
    checks="OR1",
    mistakes="M6",
    crashes=True,
)
class HelperThatNeverWas(ParadexVenue):
    """Calls a helper function of a name that does not exist."""

    @hookimpl
    async def set_margin_mode(self, market: Market, mode: MarginMode) -> LeverageSetting:
        """See the class."""
        return read_setting(await super().set_margin_mode(market, mode))  # noqa: F821 - this is the bug


@broken(
    rules="requests-follow-the-contract",
    knock_on="market-rules-are-exact ratios-are-fractions reads-do-not-fan-out reads-fail-typed "
    "schema-changes-survive timestamps-plausible unknown-enum-values-survive",
    checks="AU3",
    mistakes="M10",
)
class TokenInTheWrongHeader(WirePlugin):
    """Puts the token of one request into a header that the venue does not read."""

    paths = ("/account/info",)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, path, {**given, "headers": {"X-Auth-Token": given["headers"]["Authorization"]}}


@broken(rules="all-traffic-is-seen", checks="SE1 RL1")
class ClientOfItsOwn(ParadexVenue):
    """Sends a request past the core: no limits, no redaction, no timeout."""

    @hookimpl
    async def fetch_fees(self, markets: Sequence[Market] | None) -> list[TradingFees]:
        """See the class."""
        async with aiohttp.ClientSession() as own, own.get(f"{self._settings.rest_base}/system/time") as answer:
            await answer.read()
        return await super().fetch_fees(markets)

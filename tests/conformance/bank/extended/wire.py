"""Broken plugins: headers, paths and pages of Extended's requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from perpkit.adapters.extended import endpoints
from perpkit.adapters.extended.venue import ExtendedVenue
from perpkit.core.errors import CredentialsError
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.extended.shapes import WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import Request

# Headers


@broken(
    rules="requests-follow-the-contract",
    knock_on="bad-amounts-are-refused empty-accounts-parse funding-payment-identity "
    "funding-payments-exactly-once funding-sign ledger-identity random-histories-agree reads-fail-typed "
    "schema-changes-survive timestamps-plausible unknown-enum-values-survive",
    checks="AU3",
    mistakes="M10",
)
class KeyAsBearer(WirePlugin):
    """Puts the API key of one request into ``Authorization``, which the venue does not read."""

    paths = (endpoints.FUNDING_HISTORY,)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        key = given["headers"][endpoints.API_KEY_HEADER]
        return method, path, {**given, "headers": {"Authorization": f"Bearer {key}"}}


@broken(
    rules="requests-follow-the-contract",
    knock_on="bad-credentials-are-named public-data-is-exact reads-fail-typed schema-changes-survive "
    "timestamps-plausible unknown-enum-values-survive",
    checks="AU3",
    mistakes="M10",
)
class NoUserAgent(WirePlugin):
    """Sends one request without the User-Agent, which is compulsory here."""

    paths = (endpoints.CANDLES,)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, path, {**given, "headers": {**(given.get("headers") or {}), "User-Agent": ""}}


@broken(
    rules="leverage-is-the-accounts-own",
    knock_on="reads-fail-typed schema-changes-survive settings-really-change timestamps-plausible "
    "unknown-enum-values-survive",
    checks="AU3 SE1",
    mistakes="M11",
)
class WrappedKeySent(WirePlugin):
    """Sends what a wrapped key prints as in place of the key."""

    paths = (endpoints.LEVERAGE,)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        wrapped = str(self._session.credentials.api_key)
        return method, path, {**given, "headers": {**given["headers"], endpoints.API_KEY_HEADER: wrapped}}


@broken(rules="bad-credentials-are-named", checks="AU3", mistakes="M11")
class KeyWithItsLineEnd(ExtendedVenue):
    """Takes the line end that was copied with the API key for a part of it."""

    def __init__(self, context: Any) -> None:
        key = context.settings.get("api_key")
        if isinstance(key, str) and key != key.strip():
            raise CredentialsError("api_key: the venue answers 401")
        super().__init__(context)


# Pages and limits


@broken(
    rules="fill-pages-are-complete",
    checks="FL5 FN9",
)
class CursorUnread(WirePlugin):
    """Reads the first page of a list and leaves its cursor."""

    paths = (endpoints.TRADES, endpoints.ORDERS_HISTORY, endpoints.FUNDING_HISTORY)

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        if b'"pagination"' not in reply.body:
            return reply
        try:
            answer = msgspec.json.decode(reply.body)
        except msgspec.DecodeError:
            return reply
        answer.pop("pagination", None)
        return replace(reply, body=msgspec.json.encode(answer))


@broken(
    rules="liquidations-are-labelled fill-kinds-are-typed",
    checks="FL6 PS9",
)
class LiquidationsNotAskedFor(WirePlugin):
    """Asks for fills of the type TRADE, so that liquidations and deleveragings never come."""

    paths = (endpoints.TRADES,)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, path, {**given, "params": [*given["params"], ("type", "TRADE")]}


@broken(
    rules="bursts-stay-under-limits weights-are-the-venues",
    knock_on="retry-after-is-honoured",
    checks="RL1 RL2 RL3",
)
class NothingCountedByAddress(WirePlugin):
    """Counts no request against the thousand a minute that an address has."""

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, path, {**given, "quotas": {}}

"""Broken plugins: tokens and weights of Lighter's requests."""

from __future__ import annotations

from typing import Any

from perpkit.adapters.lighter import endpoints
from perpkit.core.transport.redact import Secret
from tests.conformance.bank.lighter.shapes import SpoiledPlugin, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import Request


@broken(rules="tokens-refresh-early", checks="AU5")
class TokenForEachCall(SpoiledPlugin):
    """Makes an auth token for each call, a signature every time, where one is good for hours."""

    passes = None

    def spoil(self, session: Any) -> None:
        """See the class."""
        tokens = session.tokens
        if tokens is None:
            return
        good = tokens.token

        async def token(*args: Any) -> Secret:
            tokens._token = None
            found: Secret = await good(*args)
            return found

        tokens.token = token


@broken(rules="weights-are-the-venues", checks="RL3")
class EveryReadWeighsOne(WirePlugin):
    """Counts each read as one, where the venue counts 300 and 600."""

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        quotas = given.get("quotas") or {}
        return method, path, {**given, "quotas": dict.fromkeys(quotas, 1) if endpoints.READS in quotas else quotas}

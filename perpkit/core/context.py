"""What the core hands to a venue plugin: its settings, and the services it is to use instead of its own."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import Clock
from perpkit.core.transport.http import HttpClient, HttpTimeouts
from perpkit.core.transport.ratelimit import Quota, RateLimiter, RateLimiterRegistry
from perpkit.core.transport.recorder import Recorder
from perpkit.core.transport.redact import Redactor


@dataclass(frozen=True, slots=True)
class VenueContext:
    """
    The one argument of a plugin's constructor, which does no I/O with it.

    Attributes:
        venue: The entry point's name.
        environment: What the user asked for; None for the plugin's default.
        settings: Everything else given to ``open_venue``; the plugin validates it and refuses what it doesn't know.
        environ: Environment variables, for settings and credentials. Plugins read no others.
        markets: Markets by the venue's own symbol, for decoding.
        redactor: Secrets are registered here before they are used.
        limits: Shared by all clients of the process.
        recorders: They see every request, reply and frame, redacted.
        rng: For jitter, and for ids that need no secrecy.
    """

    venue: str
    environment: str | None
    clock: Clock
    markets: MarketCatalog
    redactor: Redactor
    limits: RateLimiterRegistry
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    recorders: tuple[Recorder, ...] = ()
    rng: random.Random = field(default_factory=random.Random)

    def http(
        self,
        base_url: str,
        *,
        limiter: RateLimiter | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: HttpTimeouts | None = None,
    ) -> HttpClient:
        """Make a client for one host that uses this venue's clock, redaction and recorders."""
        client = HttpClient(
            base_url,
            venue=self.venue,
            clock=self.clock,
            limiter=limiter,
            redactor=self.redactor,
            timeouts=timeouts,
            default_headers=headers,
        )
        for recorder in self.recorders:
            client.add_recorder(recorder)
        return client

    def limiter(self, host: str, quotas: Iterable[Quota], *, account: str | None = None) -> RateLimiter:
        """Return this process's limiter for a host and, for quotas counted by account, an account."""
        return self.limits.limiter(host, quotas, account=account)

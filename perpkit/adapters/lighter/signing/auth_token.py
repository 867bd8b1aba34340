"""
Auth tokens: ``deadline:account:key:signature``, made here without asking anybody, good for hours. One is made, used for
every private call and replaced before it runs out; never one for each call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from perpkit.adapters.lighter import endpoints
from perpkit.adapters.lighter.config import VENUE
from perpkit.core.clock import to_ms
from perpkit.core.transport.redact import Redactor, Secret

log = logging.getLogger(__name__)


class Tokens(Protocol):
    """Where private calls get their tokens."""

    async def token(self, lasting: timedelta = endpoints.TOKEN_RENEWED_BEFORE) -> Secret:
        """Return one that is good, for so long at the least."""
        ...

    def drop(self, token: Secret) -> None:
        """Take back one that the venue refused."""
        ...


class TokenKeeper:
    """
    Holds the token and makes a new one in time.

    Args:
        make: Signs a token with a deadline in seconds since 1970.
        now: The venue's time as far as it is known.
        compare_clocks: Compares ours with it. Called when a token was refused: a deadline is a time of the venue's.
    """

    def __init__(
        self,
        make: Callable[[int], Awaitable[str]],
        *,
        now: Callable[[], datetime],
        compare_clocks: Callable[[], Awaitable[object]],
        redactor: Redactor,
    ) -> None:
        self._make = make
        self._now = now
        self._compare_clocks = compare_clocks
        self._redactor = redactor
        self._was_refused = False
        self._token: Secret | None = None
        self._deadline: datetime | None = None
        self._lock = asyncio.Lock()

    async def token(self, lasting: timedelta = endpoints.TOKEN_RENEWED_BEFORE) -> Secret:
        """Return a token with so much of its life left at the least, the one held where that will do."""
        async with self._lock:
            if self._token is None or self._left() <= lasting:
                if self._was_refused:
                    await self._compare_clocks()
                    self._was_refused = False
                deadline = self._now() + endpoints.TOKEN_LIFE
                token = Secret(await self._make(to_ms(deadline) // 1000))
                # Its last part is what opens the account, wherever else the rest of it is written.
                self._redactor.rotate("lighter auth token", token.reveal().rpartition(":")[2])
                self._token, self._deadline = token, deadline
            return self._token

    def drop(self, token: Secret) -> None:
        """Forget a token that the venue has refused, unless a newer one has taken its place."""
        if self._token == token:
            self._token = None
            self._was_refused = True

    def _left(self) -> timedelta:
        return self._deadline - self._now() if self._deadline is not None else timedelta(0)


class StaticToken:
    """The read-only token in the place of a :class:`TokenKeeper`. There is no renewing it."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    async def token(self, lasting: timedelta = endpoints.TOKEN_RENEWED_BEFORE) -> Secret:
        """Return the token, whatever is left of it."""
        return self._token

    def drop(self, token: Secret) -> None:
        """Say that it was refused. It can't be replaced, so it is kept: the venue's refusal goes to the caller."""
        log.warning("%s refused the read-only token: it may have been revoked or be of another environment", VENUE)

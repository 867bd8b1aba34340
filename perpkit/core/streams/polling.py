"""Reading by REST at intervals where there is no stream, or none for now: the same events, from the same feeds."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from perpkit.core.clock import Clock
from perpkit.core.errors import PerpkitError, RateLimitError
from perpkit.core.streams.feeds import Feed
from perpkit.core.streams.feeds.base import FINAL
from perpkit.core.streams.settings import StreamSettings
from perpkit.core.streams.tasks import TaskSet, stop
from perpkit.core.transport.backoff import Backoff


class Pollers:
    """
    At most one poller for each feed.

    A read that fails is tried again with back-off and takes nothing away from what is known. ``polling`` is told after
    the first read, so that the first state comes before it.

    Args:
        refuse: Told of a feed whose first read gave an answer that will not change.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rng: random.Random,
        settings: StreamSettings,
        tasks: TaskSet,
        refuse: Callable[[Feed, PerpkitError], None],
        log: logging.Logger,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._settings = settings
        self._tasks = tasks
        self._refuse = refuse
        self._log = log
        self._running: dict[Feed, asyncio.Task[None]] = {}

    def __contains__(self, feed: object) -> bool:
        return feed in self._running

    def start(self, feed: Feed) -> None:
        """Begin to poll, unless it is being done."""
        if feed not in self._running:
            self._running[feed] = self._tasks.spawn(self._poll(feed), f"poll {feed.subscription}")

    def cancel(self, feed: Feed) -> None:
        """Stop polling; safe to call from the poller itself."""
        task = self._running.pop(feed, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def stop(self, feed: Feed) -> None:
        """Stop polling and wait until it has ended."""
        await stop(self._running.pop(feed, None))

    async def _poll(self, feed: Feed) -> None:
        every = self._settings.poll_every[feed.subscription.channel].total_seconds()
        backoff = Backoff(self._settings.backoff_initial, self._settings.backoff_maximum, self._rng)
        told = False
        while self._running.get(feed) is asyncio.current_task():
            wait = every
            try:
                await feed.poll()
            except PerpkitError as error:
                if isinstance(error, FINAL) and not told and not feed.was_live:
                    self._running.pop(feed, None)
                    self._refuse(feed, error)
                    return
                self._log.warning("%s: polling failed: %s", feed.subscription, error)
                wait = max(every, backoff.next().total_seconds())
                if isinstance(error, RateLimitError) and error.retry_after is not None:
                    wait = max(wait, error.retry_after.total_seconds())
            except Exception:  # noqa: BLE001 - logged, and tried again with back-off
                self._log.exception("%s: polling failed in a way that the venue's plugin should not", feed)
                wait = max(every, backoff.next().total_seconds())
            else:
                backoff.reset()
                if not told:
                    told = True
                    feed.came_by_polling()
            await self._clock.sleep(wait)

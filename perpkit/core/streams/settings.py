"""The engine's own bounds and intervals. How a venue's sockets behave is in its ``StreamTraits``, not here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from perpkit.core.models import Channel

_POLL_EVERY = MappingProxyType(
    {
        Channel.BOOK: timedelta(seconds=1),
        Channel.TRADES: timedelta(seconds=2),
        Channel.TICKER: timedelta(seconds=2),
        Channel.FUNDING: timedelta(seconds=30),
        Channel.ORDERS: timedelta(seconds=2),
        Channel.FILLS: timedelta(seconds=2),
        Channel.POSITIONS: timedelta(seconds=2),
        Channel.BALANCES: timedelta(seconds=5),
        Channel.FUNDING_PAYMENTS: timedelta(seconds=60),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """
    Attributes:
        ack_timeout: A frame that asks for something is answered in this time, or the connection is given up.
        first_data_timeout: After subscribing, the first book, ticker or rate comes in this time, or it is fetched.
        backoff_initial, backoff_maximum: First and last bound of the wait between attempts, with full jitter.
        stable_after: A connection that held so long counts as a success: back-off and failures start again.
        failures_before_polling: So many failures in a row, and the same events come from REST meanwhile.
        max_decode_errors: So many frames in a row that can't be read end the connection.
        max_in_flight: Unanswered subscribe and unsubscribe frames on one connection.
        sign_in_attempts: Refused sign-ins in a row before credentials that were accepted before count as refused.
        sync_attempts: Failed REST reads in a row before the consumer is told by an error.
        seed_window: How far back of the start fills and payments are read, so that later reads know what is old.
        overlap: How far before the newest one seen a backfill starts: venues write late, and not in order.
        second_look: How long after a resync fills and payments are read once more, for what the venue wrote late.
        max_missed_trades: How much of the public tape is fetched after a loss.
        book_backlog: Pending updates of one book in a consumer's queue before they are folded into a snapshot.
        trade_backlog: Pending public trades of one market in a consumer's queue before the oldest are dropped.
        poll_every: How often each channel is read where it can't be streamed.
    """

    ack_timeout: timedelta = timedelta(seconds=10)
    first_data_timeout: timedelta = timedelta(seconds=10)
    backoff_initial: timedelta = timedelta(milliseconds=500)
    backoff_maximum: timedelta = timedelta(seconds=60)
    stable_after: timedelta = timedelta(seconds=30)
    failures_before_polling: int = 5
    max_decode_errors: int = 10
    max_in_flight: int = 20
    sign_in_attempts: int = 3
    sync_attempts: int = 5
    seed_window: timedelta = timedelta(minutes=5)
    overlap: timedelta = timedelta(minutes=2)
    second_look: timedelta = timedelta(seconds=5)
    max_missed_trades: int = 1_000
    book_backlog: int = 200
    trade_backlog: int = 10_000
    poll_every: Mapping[Channel, timedelta] = field(default_factory=lambda: _POLL_EVERY)

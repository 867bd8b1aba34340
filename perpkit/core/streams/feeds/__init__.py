"""
One feed for each subscription that anybody follows: what is known of it, what is news, and how it catches up.

========  =================================================================================
``base``  the life of a feed: buffered until its first state is there, live, lost, polled
``book``  the maintained book, its gaps
``tape``  public trades
``latest``  ticker and funding rate: only the newest counts
``ledger``  fills and funding payments: each exactly once
``keyed``  positions and balances: the state by market or asset
``orders``  orders, never an older state after a newer one
========  =================================================================================
"""

from __future__ import annotations

from perpkit.core.models import Channel, Subscription
from perpkit.core.streams.feeds.base import Feed, Phase, Site
from perpkit.core.streams.feeds.book import BookFeed
from perpkit.core.streams.feeds.keyed import BalancesFeed, PositionsFeed
from perpkit.core.streams.feeds.latest import FundingFeed, TickerFeed
from perpkit.core.streams.feeds.ledger import FillsFeed, PaymentsFeed
from perpkit.core.streams.feeds.orders import OrdersFeed
from perpkit.core.streams.feeds.tape import TradesFeed

_KINDS: dict[Channel, type[Feed]] = {
    Channel.BOOK: BookFeed,
    Channel.TRADES: TradesFeed,
    Channel.TICKER: TickerFeed,
    Channel.FUNDING: FundingFeed,
    Channel.ORDERS: OrdersFeed,
    Channel.FILLS: FillsFeed,
    Channel.POSITIONS: PositionsFeed,
    Channel.BALANCES: BalancesFeed,
    Channel.FUNDING_PAYMENTS: PaymentsFeed,
}


def feed_for(subscription: Subscription, site: Site) -> Feed:
    """Make the feed that serves a subscription."""
    return _KINDS[subscription.channel](subscription, site)


__all__ = ["Feed", "Phase", "Site", "feed_for"]

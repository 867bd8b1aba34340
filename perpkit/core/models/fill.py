"""Executions: our own fills, and the public tape."""

from __future__ import annotations

from enum import StrEnum

from perpkit.core.models.base import Model, Number, Price, Size, UtcTime
from perpkit.core.models.market import MarketId
from perpkit.core.models.order import Side


class Liquidity(StrEnum):
    """Whether our order stood in the book or came to it."""

    MAKER = "maker"
    TAKER = "taker"


class FillKind(StrEnum):
    """Why the fill happened."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    SETTLEMENT = "settlement"
    TRANSFER = "transfer"
    OTHER = "other"
    """The venue uses a word that the plugin doesn't know; see its warning in the log."""


class Fill(Model):
    """
    One execution of ours.

    Attributes:
        side: Our own side, also when we were the maker.
        size: Base units.
        fee: In ``fee_asset``; positive when paid, negative for a rebate.
        realized_pnl: From price, in the settle asset, where the venue gives it; fees and funding not in it.
        realized_funding: Funding settled by this fill, positive when received, where the venue gives it.
    """

    fill_id: str
    market_id: MarketId
    venue_order_id: str | None = None
    client_order_id: str | None = None
    side: Side
    price: Price
    size: Size
    fee: Number
    fee_asset: str
    liquidity: Liquidity | None = None
    kind: FillKind = FillKind.TRADE
    realized_pnl: Number | None = None
    realized_funding: Number | None = None
    ts_venue: UtcTime
    ts_received: UtcTime


class Trade(Model):
    """
    One trade of the public tape.

    Attributes:
        side: The taker's side.
    """

    trade_id: str
    market_id: MarketId
    side: Side
    price: Price
    size: Size
    kind: FillKind = FillKind.TRADE
    ts_venue: UtcTime
    ts_received: UtcTime

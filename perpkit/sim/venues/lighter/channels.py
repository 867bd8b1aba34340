"""
The WebSocket's channels: their names in both directions, and which of them ask for a token.
"""

from __future__ import annotations

from dataclasses import dataclass

from perpkit.sim.venues.lighter.errors import TEXTS, ApiError

ALL = "all"

_MARKET = frozenset({"order_book", "ticker", "trade"})
_ACCOUNT = frozenset(
    {
        "account_all",
        "user_stats",
        "account_all_trades",
        "account_all_positions",
        "account_all_orders",
        "account_all_assets",
        "account_tx",
        "notification",
    }
)
_BOTH = frozenset({"account_orders", "account_market"})
_PRIVATE = frozenset({"account_all_orders", "account_all_assets", "account_tx", "notification", *_BOTH})
_RESOLUTIONS = frozenset({"1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d"})


@dataclass(frozen=True, slots=True)
class Channel:
    """
    A channel that can be subscribed to.

    Attributes:
        kind: What comes before the first slash.
        market: A market's id as text, or ``all``.
        account: An account's index.
    """

    kind: str
    market: str | None = None
    account: int | None = None
    resolution: str | None = None

    @property
    def is_private(self) -> bool:
        """Tell whether a token is required."""
        return self.kind in _PRIVATE

    @property
    def market_id(self) -> int | None:
        """Return the market's id; None for all of them or none."""
        return int(self.market) if self.market not in {None, ALL} else None

    @property
    def name(self) -> str:
        """Return the name that frames carry: colons, and no account for ``account_orders``."""
        account = str(self.account) if self.account is not None and self.kind != "account_orders" else None
        return ":".join(part for part in (self.kind, self.market, account, self.resolution) if part is not None)


def parse_channel(text: str) -> Channel:
    """
    Return the channel of a subscription.

    Raises:
        ApiError: 30005 with the text.
    """
    kind, *parts = text.split("/")
    numbers = [part.isdecimal() for part in parts]
    if kind == "height" and not parts:
        return Channel(kind)
    if kind in _MARKET and numbers == [True]:
        return Channel(kind, market=parts[0])
    if kind == "market_stats" and len(parts) == 1 and (numbers[0] or parts[0] == ALL):
        return Channel(kind, market=parts[0])
    if kind == "candle" and numbers == [True, False] and parts[1] in _RESOLUTIONS:
        return Channel(kind, market=parts[0], resolution=parts[1])
    if kind in _ACCOUNT and numbers == [True]:
        return Channel(kind, account=int(parts[0]))
    if kind in _BOTH and numbers == [True, True]:
        return Channel(kind, market=parts[0], account=int(parts[1]))
    raise invalid_channel(text)


def invalid_channel(text: str) -> ApiError:
    """Return the refusal of a channel."""
    return ApiError(30005, f"{TEXTS[30005]}:  ({text})")

"""
What a stream can be about: one topic is one v1 connection's URL, or one subscription of a v2 connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perpkit.core.models.market import PriceKind
from perpkit.sim.venues.extended.wire_markets import INTERVALS

ALL = "all"
_CANDLES_V1 = {"trades": "last", "mark-prices": "mark", "index-prices": "index"}
_V1_SCOPES = {"orderbooks": "orderbooks", "publicTrades": "trades", "funding": "funding-rates"}
KINDS = {"last": PriceKind.LAST, "mark": PriceKind.MARK, "index": PriceKind.INDEX}
_TYPES = {
    "orderbooks": "ORDERBOOKS",
    "trades": "TRADES",
    "funding-rates": "FUNDING_RATES",
    "prices": "PRICES",
    "candles": "CANDLES",
    "account": "ACCOUNT",
}
_TYPED_ON_V1 = frozenset({"orderbooks", "prices", "account"})


@dataclass(frozen=True, slots=True)
class Topic:
    """
    One topic.

    Attributes:
        market: None for all markets.
        depth: Of a book: ``full`` or ``1``.
        kind: Of prices ``mark`` or ``index``, of candles also ``last``.
    """

    scope: str
    market: str | None = None
    depth: str = "full"
    rfq_only: bool = False
    kind: str = ""
    interval: str = ""
    account: str = ""

    @property
    def id(self) -> str:
        """Return its name: what v2 calls the subscription, and faults match on both protocols."""
        where = self.market or ALL
        if self.scope == "orderbooks":
            depth = "" if self.depth == "full" else f"{self.depth}."
            return f"orderbooks.{depth}{where}{'.rfq' if self.rfq_only else ''}"
        if self.scope == "prices":
            return f"prices.{self.kind}.{where}"
        if self.scope == "candles":
            return f"candles.{self.kind}.{where}.{self.interval}"
        if self.scope == "account":
            return f"account.{self.account}"
        return f"{self.scope}.{where}"

    def covers(self, market: str) -> bool:
        """Tell whether a market is among what it is about."""
        return self.market is None or self.market == market

    def type_on_v1(self, word: str) -> str | None:
        """Return the ``type`` of a v1 message, which some streams have none of."""
        return word if self.scope in _TYPED_ON_V1 else None

    def type_on_v2(self, word: str) -> str:
        """Return the ``type`` of a v2 message."""
        return f"{_TYPES[self.scope]}.{word}" if self.scope in _TYPED_ON_V1 else _TYPES[self.scope]


class NoSuchTopicError(ValueError):
    """There is no such stream, or no such market; the message says which."""


def topic_of_path(path: str, query: Mapping[str, str], account: str | None) -> Topic:
    """
    Return what a v1 URL is about.

    Args:
        path: After ``/v1/``.
        account: Whose API key came with the request, for ``account``.

    Raises:
        NoSuchTopicError: The venue has no such stream.
    """
    match path.split("/"):
        case ["account"]:
            return Topic("account", account=account or "")
        case [name, *rest] if name in _V1_SCOPES and len(rest) < 2:
            depth = query.get("depth", "full") if name == "orderbooks" else "full"
            if depth not in {"full", "1"}:
                raise NoSuchTopicError(f"depth={depth!r} is not 1")
            return Topic(_V1_SCOPES[name], rest[0] if rest else None, depth=depth)
        case ["prices", ("mark" | "index") as kind, *rest] if len(rest) < 2:
            return Topic("prices", rest[0] if rest else None, kind=kind)
        case ["candles", market, name] if name in _CANDLES_V1:
            return _checked_candles(market, _CANDLES_V1[name], query.get("interval", ""))
        case _:
            raise NoSuchTopicError(f"there is no stream {path!r}")


def topic_of_selector(scope: str, selector: Mapping[str, Any]) -> Topic:
    """
    Return what a v2 subscription is about.

    Raises:
        NoSuchTopicError: The selector names something that there is not.
        TypeError: It has values of a wrong type.
    """
    market = selector.get("market")
    if market is not None and not isinstance(market, str):
        raise TypeError(f"market is {market!r}, not text or null")
    if scope == "orderbooks":
        depth, rfq_only = selector.get("depth", "full"), selector.get("rfqOnly", False)
        if not isinstance(depth, str) or not isinstance(rfq_only, bool):
            raise TypeError("depth is text, rfqOnly true or false")
        if depth not in {"full", "1"} or (rfq_only and depth != "full"):
            raise NoSuchTopicError(f"depth {depth!r} with rfqOnly {rfq_only}")
        return Topic(scope, market, depth=depth, rfq_only=rfq_only)
    if scope in {"trades", "funding-rates"}:
        return Topic(scope, market)
    kind = selector.get("type")
    if scope == "prices" and kind in {"mark", "index"}:
        return Topic(scope, market, kind=kind)
    if scope == "candles" and kind in KINDS and market is not None:
        return _checked_candles(market, kind, selector.get("interval", ""))
    if scope == "account":
        account = selector.get("account")
        if isinstance(account, bool) or not isinstance(account, str | int):
            raise TypeError(f"account is {account!r}, not an account's number")
        return Topic(scope, account=str(account))
    raise NoSuchTopicError(f"{scope} with {dict(selector)!r}")


def _checked_candles(market: str, kind: str, interval: Any) -> Topic:
    if interval not in INTERVALS:
        raise NoSuchTopicError(f"interval {interval!r} is not one of {', '.join(INTERVALS)}")
    return Topic("candles", market, kind=kind, interval=interval)

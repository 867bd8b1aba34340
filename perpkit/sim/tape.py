"""A market's past: its trades, the moves of mark and index, and what is computed from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from perpkit.sim.market_data import Candle
from perpkit.sim.money import ZERO, divide
from perpkit.sim.orders import Trade

KEPT = 200_000
"""So many trades and price moves are kept for each market: a local venue may run for weeks."""

_DAY_MS = 24 * 3_600_000


@dataclass(slots=True)
class _Extreme:
    """The largest (or, with sign -1, smallest) price of a sliding window, in constant time."""

    sign: int
    candidates: deque[tuple[int, Decimal]] = field(default_factory=deque)

    def add(self, time_ms: int, price: Decimal) -> None:
        while self.candidates and self.sign * self.candidates[-1][1] <= self.sign * price:
            self.candidates.pop()
        self.candidates.append((time_ms, price))

    def forget_until(self, time_ms: int) -> None:
        while self.candidates and self.candidates[0][0] <= time_ms:
            self.candidates.popleft()

    @property
    def value(self) -> Decimal | None:
        return self.candidates[0][1] if self.candidates else None


class Tape:
    """Trades of one market, with running 24-hour figures."""

    def __init__(self) -> None:
        self.trades: deque[Trade] = deque(maxlen=KEPT)
        self.last_price: Decimal | None = None
        self.total_volume = ZERO
        self._day: deque[Trade] = deque()
        self._day_volume = ZERO
        self._before_day: Decimal | None = None
        self._high = _Extreme(1)
        self._low = _Extreme(-1)

    def add(self, trade: Trade) -> None:
        """Append a trade."""
        self.trades.append(trade)
        self._day.append(trade)
        notional = trade.price * trade.size
        self.total_volume += notional
        self._day_volume += notional
        self._high.add(trade.created_at_ms, trade.price)
        self._low.add(trade.created_at_ms, trade.price)
        self.last_price = trade.price

    def volume_24h(self, now_ms: int) -> Decimal:
        """Quote units traded in the last 24 hours."""
        self._forget(now_ms)
        return self._day_volume

    def range_24h(self, now_ms: int) -> tuple[Decimal | None, Decimal | None]:
        """Highest and lowest price of the last 24 hours; None without a trade."""
        self._forget(now_ms)
        return self._high.value, self._low.value

    def change_24h(self, now_ms: int) -> Decimal:
        """Change of the last price against the last one at least 24 hours old, else the first, as a fraction."""
        self._forget(now_ms)
        first = self._before_day if self._before_day is not None else self._day[0].price if self._day else None
        if first is None or self.last_price is None:
            return ZERO
        return divide(self.last_price - first, first)

    def _forget(self, now_ms: int) -> None:
        edge = now_ms - _DAY_MS
        while self._day and self._day[0].created_at_ms <= edge:
            trade = self._day.popleft()
            self._day_volume -= trade.price * trade.size
            self._before_day = trade.price
        self._high.forget_until(edge)
        self._low.forget_until(edge)


@dataclass(frozen=True, slots=True)
class PriceMove:
    """Mark and index from an instant on."""

    time_ms: int
    mark_price: Decimal
    index_price: Decimal


def candles(
    ticks: Iterable[tuple[int, Decimal, Decimal]], resolution: timedelta, since_ms: int, until_ms: int
) -> list[Candle]:
    """
    Fold ticks into candles that begin within ``[since_ms, until_ms]``, aligned to whole resolutions from 1970.

    Args:
        ticks: Time (ms), price and size, oldest first.
        resolution: Width of a candle.
        since_ms: Earliest beginning.
        until_ms: Latest beginning.

    Returns:
        Candles without holes from the first tick on: one without a tick repeats the close before, volume 0.
    """
    width = resolution // timedelta(milliseconds=1)
    if width <= 0:
        msg = f"resolution {resolution} is not above zero"
        raise ValueError(msg)
    first_start = -(-since_ms // width) * width
    found: list[Candle] = []
    for candle in _fold(ticks, width, until_ms):
        if candle.start_ms >= first_start:
            _fill_gap(found, candle.start_ms, width, first_start)
            found.append(candle)
        else:
            before = candle
            found = [_flat(before.start_ms, before.close)]
    if found:
        _fill_gap(found, until_ms // width * width + width, width, first_start)
    return [candle for candle in found if first_start <= candle.start_ms <= until_ms]


def _fold(ticks: Iterable[tuple[int, Decimal, Decimal]], width: int, until_ms: int) -> Iterator[Candle]:
    start, opened, high, low, close, volume = -1, ZERO, ZERO, ZERO, ZERO, ZERO
    for time_ms, price, size in ticks:
        begins = time_ms // width * width
        if begins > until_ms:
            break
        if begins != start:
            if start >= 0:
                yield Candle(start, opened, high, low, close, volume)
            start, opened, high, low, volume = begins, price, price, price, ZERO
        high, low, close, volume = max(high, price), min(low, price), price, volume + size
    if start >= 0:
        yield Candle(start, opened, high, low, close, volume)


def _fill_gap(found: list[Candle], start_ms: int, width: int, first_start: int) -> None:
    while found and found[-1].start_ms + width < start_ms:
        found.append(_flat(max(found[-1].start_ms + width, first_start), found[-1].close))


def _flat(start_ms: int, price: Decimal) -> Candle:
    return Candle(start_ms, price, price, price, price, ZERO)

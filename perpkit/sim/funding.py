"""
How funding accrues: a funding index for each market, in settle units per base unit.

Continuous markets move it each whole second of the clock, discrete ones jump it at the end of each period. What a
position owes is always ``-size * (index now - index when last settled)``.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from perpkit.core.models.market import FundingAccrual
from perpkit.sim.money import ZERO, divide, product, to_index

_SECOND_MS = 1000
_HOUR_MS = 3_600_000
_8H_MS = 8 * _HOUR_MS


class FundingIndex:
    """
    One market's rate and index.

    The index is computed from where the premium last changed, not step by step: how often it is looked at changes
    nothing.

    Args:
        rate: Fraction of notional per period, positive when longs pay.
        price: The price that the notional is taken at.
        period: What the rate is for.
        accrual: Each second or at each period's end.
        now_ms: When the market begins.

    Attributes:
        premium: What one base unit pays in one period.
        period_hours: The period in hours.
        rate_8h: The same cash flow as a fraction for 8 hours.
    """

    def __init__(self, rate: Decimal, price: Decimal, period: timedelta, accrual: FundingAccrual, now_ms: int) -> None:
        self.rate = rate
        self.period_ms = period // timedelta(milliseconds=1)
        self.accrual = accrual
        self.settled_rate: Decimal | None = None
        self.settled_price: Decimal | None = None
        """Of the last period that a discrete market settled; None before, and for a continuous one."""
        self._price = price
        self._base = ZERO
        self._base_second = now_ms // _SECOND_MS
        self._paused = False
        self._work_out()

    def at(self, now_ms: int) -> Decimal:
        """Return the index now, to 18 places."""
        if self._paused or self.accrual is FundingAccrual.DISCRETE:
            return self._base
        seconds = now_ms // _SECOND_MS - self._base_second
        if seconds <= 0:
            return self._base
        return self._base + divide(product(self.premium, Decimal(seconds * _SECOND_MS)), Decimal(self.period_ms))

    def change(
        self,
        now_ms: int,
        *,
        rate: Decimal | None = None,
        price: Decimal | None = None,
        period: timedelta | None = None,
    ) -> None:
        """Change the rate, the price or what period the rate is for, from the present second on."""
        self._rebase(now_ms)
        if period is not None:
            self.period_ms = period // timedelta(milliseconds=1)
        if rate is not None:
            self.rate = rate
        if price is not None:
            self._price = price
        self._work_out()

    def pause(self, now_ms: int) -> None:
        """Accrue nothing until resumed."""
        self._rebase(now_ms)
        self._paused = True

    def resume(self, now_ms: int) -> None:
        """Accrue again; the pause itself is not made up for."""
        self._rebase(now_ms)
        self._paused = False

    def settle_period(self) -> None:
        """Discrete markets: end a period, which moves the index by one premium."""
        if not self._paused:
            self.settled_rate, self.settled_price = self.rate, self._price
            self._base = to_index(self._base + self.premium)

    def next_settlement_ms(self, now_ms: int) -> int | None:
        """When the next period ends, counted in whole periods from 1970; None for continuous markets."""
        if self.accrual is FundingAccrual.CONTINUOUS:
            return None
        return (now_ms // self.period_ms + 1) * self.period_ms

    def _work_out(self) -> None:
        # Looked at for every market in every minute, and changed seldom.
        self.premium = self.rate * self._price
        self.period_hours = divide(Decimal(self.period_ms), Decimal(_HOUR_MS))
        self.rate_8h = divide(product(self.rate, Decimal(_8H_MS)), Decimal(self.period_ms))

    def _rebase(self, now_ms: int) -> None:
        self._base = self.at(now_ms)
        self._base_second = now_ms // _SECOND_MS

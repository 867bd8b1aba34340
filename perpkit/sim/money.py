"""
Where the simulator rounds, and nowhere else: amounts as they are posted, quotients, and the funding index.

Prices times sizes stay exact; they never need more digits than a market's tick and step have together.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal

ZERO = Decimal(0)

MONEY_PLACES = 12
"""Places of every posted amount. Sums of postings are then exact in Python's default 28 digits up to 10^15."""

INDEX_PLACES = 18
"""Places of the funding index and of quotients such as an average price."""

_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_MONEY = Decimal(1).scaleb(-MONEY_PLACES)
_QUOTIENT = Decimal(1).scaleb(-INDEX_PLACES)


def to_money(amount: Decimal) -> Decimal:
    """Round an amount to what can be posted, half to even."""
    return _WIDE.quantize(amount, _MONEY).normalize(_WIDE) + ZERO


def divide(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Return a quotient to 18 places, half to even."""
    return _WIDE.quantize(_WIDE.divide(dividend, divisor), _QUOTIENT).normalize(_WIDE) + ZERO


def product(*factors: Decimal) -> Decimal:
    """Multiply without rounding at Python's default 28 digits."""
    result = Decimal(1)
    for factor in factors:
        result = _WIDE.multiply(result, factor)
    return result


def to_index(value: Decimal) -> Decimal:
    """Round to the places of the funding index."""
    return _WIDE.quantize(value, _QUOTIENT).normalize(_WIDE) + ZERO


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether a value lies on a step exactly."""
    return value % step == 0


def trim_to(value: Decimal, step: Decimal) -> Decimal:
    """Round towards zero to a step."""
    return (value / step).to_integral_value(ROUND_DOWN) * step


def raise_to(value: Decimal, step: Decimal) -> Decimal:
    """Round up to a step."""
    return (value / step).to_integral_value(ROUND_CEILING) * step


def places(value: Decimal) -> int:
    """Return how many decimal places a value has, trailing zeros left out."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def nearest(value: Decimal, step: Decimal) -> Decimal:
    """Round to the nearest step, half to even."""
    return (value / step).to_integral_value(ROUND_HALF_EVEN) * step

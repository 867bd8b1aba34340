"""
Decimals as the venue writes them: plain digits, with at least so many places as the endpoint has the habit of.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

REST_PLACES = 16
"""Of amounts in histories: fills, fees, past positions."""
STREAM_PLACES = 6
"""Of amounts in an order on the stream, and of money in a balance."""


def number(value: Decimal, places: int = 0) -> str:
    """Write a decimal without an exponent: trailing zeros cut, then padded to so many places. Never rounds."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text in {"-0", ""}:
        text = "0"
    if not places:
        return text
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(places, '0')}"


def ratio(value: Decimal) -> str:
    """Write a ratio to four places, half to even."""
    return f"{value.quantize(Decimal('0.0001'), ROUND_HALF_EVEN):f}"

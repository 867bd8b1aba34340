"""
Order ids as the venue has them: ``client_order_index`` is a whole number from 1 to 2^48 - 1, 0 is none; the exchange's
own numbers begin at 2^48, so cancel and modify take either kind in one field.

A client order id in plain decimal digits within that range stands for itself: each side follows from the other by
arithmetic. perpkit makes such ids by itself, from the time in its upper bits and a lane of the process in its lower
ones (:mod:`perpkit.core.client_ids`); they stay below 2^47 until 2059. Any other text stands for a number of the upper
half, from 2^47 on, that follows from the text by SHA-256. So a text finds its order after any restart; the way back,
from number to text, is kept in :mod:`perpkit.adapters.lighter.client_ids`, which also sees to it that no number stands
for two.

Two live orders of an account can't share an id, whatever their markets: the venue refuses the second (21728).
"""

from __future__ import annotations

import hashlib
import re

from perpkit.adapters.lighter.config import VENUE
from perpkit.core.capabilities import ClientOrderIdRule
from perpkit.core.errors import InvalidOrderError
from perpkit.core.models import OrderRef

MAX_CLIENT_INDEX = 2**48 - 1
MIN_ORDER_INDEX = 2**48
MAX_ORDER_INDEX = 2**60 - 1

TEXT_HALF = 2**47
"""Where the numbers that stand for texts begin."""

CLIENT_ORDER_ID = ClientOrderIdRule(max_length=64, pattern="[!-~]+", numeric_max=MAX_CLIENT_INDEX, maps_text=True)

_PLAIN = re.compile("[1-9][0-9]{0,14}")


def client_index(client_order_id: str | None) -> int:
    """
    Return the venue's number for an id of ours; 0 for none.

    Raises:
        InvalidOrderError: It is no such id. Nothing was sent.
    """
    if client_order_id is None:
        return 0
    if problem := CLIENT_ORDER_ID.problem(client_order_id):
        raise InvalidOrderError(problem, venue=VENUE, client_order_id=client_order_id)
    if _PLAIN.fullmatch(client_order_id) and (number := int(client_order_id)) <= MAX_CLIENT_INDEX:
        return number
    digest = hashlib.sha256(b"perpkit lighter client order id 1\0" + client_order_id.encode()).digest()
    return TEXT_HALF | int.from_bytes(digest[:8], "big") % TEXT_HALF


def client_id(index: int) -> str | None:
    """Return the number itself as an id; None for 0."""
    return str(index) if index else None


def order_index(venue_order_id: str) -> int:
    """
    Return the exchange's number of an order.

    Raises:
        InvalidOrderError: It is none. Nothing was sent.
    """
    if venue_order_id.isascii() and venue_order_id.isdecimal():
        number = int(venue_order_id) if len(venue_order_id) <= 19 else 0
        if MIN_ORDER_INDEX <= number <= MAX_ORDER_INDEX:
            return number
    msg = f"venue_order_id {venue_order_id!r} is no order number of {VENUE}: those lie from 2^48 to 2^60 - 1"
    raise InvalidOrderError(msg, venue=VENUE)


def any_index(ref: OrderRef) -> int:
    """
    Return what names an order in a cancel or a modification: the exchange's number where it is known, else ours.

    Raises:
        InvalidOrderError: The id has not the venue's form. Nothing was sent.
    """
    return order_index(ref.venue_order_id) if ref.venue_order_id is not None else client_index(ref.client_order_id)

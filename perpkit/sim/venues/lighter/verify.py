"""
What a transaction and an auth token are signed over, laid out from the venue's published text and no one's client.

A transaction's hash is Poseidon2 over its fields in order, folded with its attributes where it has any; its signature
is Schnorr over ecGFp5. A mistake in this module or in an adapter's shows as a refused signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from perpkit.crypto.ecgfp5 import Element, hash_elements, hash_to_quintic, to_bytes

CREATE_ORDER = 14
CANCEL_ORDER = 15
CANCEL_ALL_ORDERS = 16
MODIFY_ORDER = 17
UPDATE_LEVERAGE = 20
CREATE_GROUPED_ORDERS = 28
UPDATE_MARGIN = 29

ORDER_FIELDS = (
    "MarketIndex",
    "ClientOrderIndex",
    "BaseAmount",
    "Price",
    "IsAsk",
    "Type",
    "TimeInForce",
    "ReduceOnly",
    "TriggerPrice",
    "OrderExpiry",
)
FIELDS: dict[int, tuple[str, ...]] = {
    CREATE_ORDER: ORDER_FIELDS,
    CANCEL_ORDER: ("MarketIndex", "Index"),
    CANCEL_ALL_ORDERS: ("TimeInForce", "Time"),
    MODIFY_ORDER: ("MarketIndex", "Index", "BaseAmount", "Price", "TriggerPrice"),
    UPDATE_LEVERAGE: ("MarketIndex", "InitialMarginFraction", "MarginMode"),
    UPDATE_MARGIN: ("MarketIndex", "USDCAmount", "Direction"),
}
"""What stands between head and tail of a transaction's text, by type."""

GROUP_FIELDS = ("GroupingType", "Orders")
HEAD = ("AccountIndex", "ApiKeyIndex")
TAIL = ("ExpiredAt", "Nonce")

INTEGRATOR, TAKER_FEE, MAKER_FEE, SKIP_NONCE, CANCEL_MARKET, SELF_TRADE, SELF_TRADE_SCOPE, ORDER_VERSION = range(1, 9)
NIL_ATTRIBUTES = {CANCEL_MARKET: 255}
"""Attributes at their nil value are no part of the hash; it is 0 for all others."""

MAX_ATTRIBUTES = 4
_CHUNK = 8


def transaction_hash(chain_id: int, tx_type: int, info: Mapping[str, Any], attributes: Mapping[int, int]) -> Element:
    """
    Return what a transaction's signature covers.

    Args:
        chain_id: Of the network.
        tx_type: One of :data:`FIELDS` or 28.
        info: The transaction's text, parsed: names to integers, for 28 also a list of orders.
        attributes: Those that are not nil.
    """
    head = [chain_id, tx_type, info["Nonce"], info["ExpiredAt"], info["AccountIndex"], info["ApiKeyIndex"]]
    hashed = hash_to_quintic([*head, *_body(tx_type, info)])
    if not attributes:
        return hashed
    pairs = [part for key in sorted(attributes) for part in (key, attributes[key])]
    pairs += [0] * (2 * MAX_ATTRIBUTES - len(pairs))
    return hash_to_quintic([*hashed, *hash_to_quintic(pairs)])


def hash_text(element: Element) -> str:
    """Return a transaction's hash as the wire writes it: 80 hex digits."""
    return to_bytes(element).hex()


def token_hash(deadline: int, account_index: int, api_key_index: int) -> Element:
    """Return what an auth token's signature covers: its text, in chunks of eight bytes."""
    text = f"{deadline}:{account_index}:{api_key_index}".encode("ascii")
    chunks = [int.from_bytes(text[i : i + _CHUNK], "little") for i in range(0, len(text), _CHUNK)]
    return hash_to_quintic(chunks)


def without_nil(attributes: Mapping[int, int]) -> dict[int, int]:
    """Return the attributes that say something; older clients write the others out."""
    return {key: value for key, value in attributes.items() if value != NIL_ATTRIBUTES.get(key, 0)}


def _body(tx_type: int, info: Mapping[str, Any]) -> Sequence[int]:
    if tx_type == CREATE_GROUPED_ORDERS:
        return [info["GroupingType"], *_fold(info["Orders"])]
    if tx_type == UPDATE_MARGIN:
        amount = info["USDCAmount"]
        return [info["MarketIndex"], amount % 2**32, amount >> 32, info["Direction"]]
    return [info[name] for name in FIELDS[tx_type]]


def _fold(orders: Sequence[Mapping[str, int]]) -> list[int]:
    hashes = [hash_elements([order[name] for name in ORDER_FIELDS], 4) for order in orders]
    folded = hashes[0]
    for following in hashes[1:]:
        folded = hash_elements([*folded, *following], 4)
    return folded

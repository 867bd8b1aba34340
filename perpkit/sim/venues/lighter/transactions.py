"""
A transaction as clients send it: its text taken apart field by field, hashed, and its signature checked.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perpkit.crypto.ecgfp5 import Element
from perpkit.sim.venues.lighter.config import MAX_NONCE
from perpkit.sim.venues.lighter.errors import ApiError, malformed
from perpkit.sim.venues.lighter.verify import (
    CANCEL_ALL_ORDERS,
    CANCEL_MARKET,
    CREATE_GROUPED_ORDERS,
    FIELDS,
    GROUP_FIELDS,
    HEAD,
    INTEGRATOR,
    MAKER_FEE,
    MAX_ATTRIBUTES,
    MODIFY_ORDER,
    NIL_ATTRIBUTES,
    ORDER_FIELDS,
    ORDER_VERSION,
    SELF_TRADE,
    SELF_TRADE_SCOPE,
    SKIP_NONCE,
    TAIL,
    TAKER_FEE,
    hash_text,
    transaction_hash,
    without_nil,
)

KNOWN_TYPES = frozenset({*range(8, 21), 28, 29, 33, 35, 36, *range(40, 46)})
"""What the venue takes from clients; more than the local one carries out."""

_SIGNATURE_BYTES = 80
_INT64 = 2**63
_ANYWHERE = frozenset({SKIP_NONCE, INTEGRATOR, TAKER_FEE, MAKER_FEE, SELF_TRADE, SELF_TRADE_SCOPE})
_ONLY_FOR = {CANCEL_MARKET: CANCEL_ALL_ORDERS, ORDER_VERSION: MODIFY_ORDER}


@dataclass(frozen=True, slots=True)
class Transaction:
    """
    A well-formed transaction.

    Attributes:
        info: Its fields, by the names of the wire.
        attributes: Those that say something.
        text: As it came, for those who ask for it later.
    """

    type: int
    info: Mapping[str, Any]
    attributes: Mapping[int, int]
    signature: bytes
    text: str

    @property
    def account_index(self) -> int:
        """Return whose it is."""
        return int(self.info["AccountIndex"])

    @property
    def api_key_index(self) -> int:
        """Return the slot of the key that signed it."""
        return int(self.info["ApiKeyIndex"])

    @property
    def nonce(self) -> int:
        """Return its number among those of its key."""
        return int(self.info["Nonce"])

    @property
    def expired_at_ms(self) -> int:
        """Return until when it may be carried out."""
        return int(self.info["ExpiredAt"])

    @property
    def skips_nonce(self) -> bool:
        """Tell whether any larger nonce will do."""
        return self.attributes.get(SKIP_NONCE) == 1

    def digest(self, chain_id: int) -> Element:
        """Return what its signature covers."""
        return transaction_hash(chain_id, self.type, self.info, self.attributes)

    def hash_text(self, chain_id: int) -> str:
        """Return its hash as the wire writes it."""
        return hash_text(self.digest(chain_id))


def parse_transaction(tx_type: int, given: str | Mapping[str, Any]) -> Transaction:
    """
    Take a transaction apart.

    Args:
        tx_type: The type that came with it.
        given: Its JSON text (REST, batches), or the object itself (WebSocket).

    Raises:
        ApiError: 21505 for a type that no client sends or the local venue does not carry out, 21501 for a text that
            is not what the type asks for.
    """
    if tx_type not in KNOWN_TYPES or (tx_type not in FIELDS and tx_type != CREATE_GROUPED_ORDERS):
        raise ApiError(21505)
    text = given if isinstance(given, str) else json.dumps(given, separators=(",", ":"))
    info = _object(text)
    names = GROUP_FIELDS if tx_type == CREATE_GROUPED_ORDERS else FIELDS[tx_type]
    expected = {*HEAD, *names, *TAIL, "Sig", "L2TxAttributes"}
    _require_names(info, expected, optional=frozenset({"L2TxAttributes"}))
    for name in (*HEAD, *names, *TAIL):
        if name != "Orders":
            _require_integer(name, info[name])
    if tx_type == CREATE_GROUPED_ORDERS:
        _require_orders(info["Orders"])
    if info["Nonce"] > MAX_NONCE:
        raise malformed("Nonce is above 281474976710655")
    attributes = without_nil(_attributes(tx_type, info.get("L2TxAttributes")))
    return Transaction(tx_type, info, attributes, _signature(info["Sig"]), text)


def _object(text: str) -> dict[str, Any]:
    try:
        info = json.loads(text)
    except ValueError as exc:
        raise malformed("it is no JSON") from exc
    if not isinstance(info, dict):
        raise malformed("it is no JSON object")
    return info


def _require_names(given: Mapping[str, Any], expected: set[str], optional: frozenset[str] = frozenset()) -> None:
    for name in sorted(expected - optional - given.keys()):
        raise malformed(f"{name} is missing")
    for name in sorted(given.keys() - expected):
        raise malformed(f"{name} is no field of this type")


def _require_integer(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise malformed(f"{name} is no integer")
    if name == "OrderExpiry" and value < 0:
        raise ApiError(21711)  # the signer's word for four weeks, which it replaces before signing
    if not 0 <= value < _INT64:
        raise malformed(f"{name} is out of range")


def _require_orders(orders: Any) -> None:
    if not isinstance(orders, list) or not 1 <= len(orders) <= 3:
        raise ApiError(21742)
    for order in orders:
        if not isinstance(order, dict):
            raise malformed("an element of Orders is no object")
        _require_names(order, set(ORDER_FIELDS))
        for name in ORDER_FIELDS:
            _require_integer(name, order[name])


def _attributes(tx_type: int, given: Any) -> dict[int, int]:
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > MAX_ATTRIBUTES:
        raise malformed("L2TxAttributes is null or an object with at most 4 members")
    attributes: dict[int, int] = {}
    for name, value in given.items():
        key = int(name) if name.isdecimal() else 0
        _require_integer(f"L2TxAttributes {name}", value)
        is_nil = key in _ONLY_FOR and value == NIL_ATTRIBUTES.get(key, 0)
        if key not in _ANYWHERE and _ONLY_FOR.get(key) != tx_type and not is_nil:
            raise malformed(f"L2TxAttributes has no member {name} for this type")
        attributes[key] = value
    return attributes


def _signature(given: Any) -> bytes:
    try:
        signature = base64.b64decode(given, validate=True)
    except (TypeError, ValueError, binascii.Error) as exc:
        raise ApiError(21120) from exc
    if len(signature) != _SIGNATURE_BYTES:
        raise ApiError(21120)
    return signature

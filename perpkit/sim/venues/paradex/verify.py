"""
Message hashes and signature checks as the venue makes them: Starknet typed data, revision 0, over Pedersen.

Written from the contract's text on ``POST /auth`` and the venue's published message types; it shares curve
primitives with the adapter and nothing else, so that a mistake in either shows as a refused signature.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from perpkit.crypto.stark import STARK_PRIME, hash_elements, short_string, starknet_keccak, verify

QUANTUM_DECIMALS = 8
"""Sizes and prices are signed as integers of 10^-8 (``paraclear_decimals`` in the system config)."""

_PREFIX = short_string("StarkNet Message")
_DOMAIN = "StarkNetDomain(name:felt,chainId:felt,version:felt)"
_ORDER = "Order(timestamp:felt,market:felt,side:felt,orderType:felt,size:felt,price:felt)"
_MODIFY = "ModifyOrder(timestamp:felt,market:felt,side:felt,orderType:felt,size:felt,price:felt,id:felt)"
_REQUEST = "Request(method:felt,path:felt,body:felt,timestamp:felt,expiration:felt)"
_CONSTANT = "Constant(action:felt)"
_NUMBER = re.compile(r"[0-9]{1,80}|0x[0-9a-fA-F]{1,64}")
_SIDES = {"BUY": 1, "SELL": 2}
_ADDRESS_PREFIX = short_string("STARKNET_CONTRACT_ADDRESS")
_ADDRESS_BOUND = 2**251 - 256


class SignatureFormatError(ValueError):
    """The text is no signature: not two field elements."""


@dataclass(frozen=True, slots=True)
class OrderFields:
    """What an order's signature covers, as the wire wrote it."""

    timestamp: int
    market: str
    side: str
    order_type: str
    size: Decimal
    price: Decimal


class MessageHasher:
    """Hashes the messages of one chain; a signature made for another chain does not fit them."""

    def __init__(self, chain_id: str) -> None:
        self._domain = hash_elements([_selector(_DOMAIN), short_string("Paradex"), short_string(chain_id), 1])

    def auth(self, account: int, timestamp: int, expiration: int) -> int:
        """Return the hash of a sign-in request; times in seconds. The path is always ``/v1/auth``."""
        fields = [short_string("POST"), short_string("/v1/auth"), 0, timestamp, expiration]
        return self._message(account, _REQUEST, fields)

    def onboarding(self, account: int) -> int:
        """Return the hash of the message that claims an address."""
        return self._message(account, _CONSTANT, [short_string("Onboarding")])

    def order(self, account: int, order: OrderFields) -> int:
        """Return the hash of a new order."""
        return self._message(account, _ORDER, _order_felts(order))

    def modification(self, account: int, order: OrderFields, order_id: str) -> int:
        """Return the hash of a modification of an order already at the venue."""
        return self._message(account, _MODIFY, [*_order_felts(order), _felt(order_id)])

    def _message(self, account: int, struct: str, fields: list[int]) -> int:
        return hash_elements([_PREFIX, self._domain, account, hash_elements([_selector(struct), *fields])])


def parse_signature(text: str) -> tuple[int, int]:
    """
    Return r and s of ``["r","s"]``: decimal strings, hex strings with 0x (ccxt writes those), or integers.

    Raises:
        SignatureFormatError: It is anything else.
    """
    try:
        parts = json.loads(text)
    except ValueError as exc:
        raise SignatureFormatError("a signature is a JSON array of two decimal strings") from exc
    if not isinstance(parts, list) or len(parts) != 2:
        raise SignatureFormatError("a signature has two elements, r and s")
    numbers = []
    for part in parts:
        if isinstance(part, str) and _NUMBER.fullmatch(part):
            numbers.append(int(part, 0) if part.startswith("0x") else int(part))
        elif isinstance(part, int) and not isinstance(part, bool):
            numbers.append(part)
        else:
            raise SignatureFormatError("r and s are decimal strings, or hex strings that begin with 0x")
    r, s = numbers
    if not (0 < r < STARK_PRIME and 0 < s < STARK_PRIME):
        raise SignatureFormatError("r and s lie between 0 and the field's prime")
    return r, s


def is_signed_by(public_key: int, message_hash: int, signature: tuple[int, int]) -> bool:
    """Tell whether the key made this signature of this message."""
    return verify(public_key, message_hash, *signature)


def account_address(public_key: int, *, proxy_hash: str, account_hash: str) -> int:
    """
    Return the address of the account that a public key owns.

    The venue deploys a proxy whose constructor initializes the account with (public key, 0), salted with the key.

    Args:
        proxy_hash: ``paraclear_account_proxy_hash`` of the system config, hex.
        account_hash: ``paraclear_account_hash`` of the system config, hex.
    """
    calldata = [int(account_hash, 16), _selector("initialize"), 2, public_key, 0]
    felts = [_ADDRESS_PREFIX, 0, public_key, int(proxy_hash, 16), hash_elements(calldata)]
    return hash_elements(felts) % _ADDRESS_BOUND


def _order_felts(order: OrderFields) -> list[int]:
    price = Decimal(0) if order.order_type == "MARKET" else order.price
    return [
        order.timestamp,
        short_string(order.market),
        _SIDES[order.side],
        short_string(order.order_type),
        int(order.size.scaleb(QUANTUM_DECIMALS)),
        int(price.scaleb(QUANTUM_DECIMALS)),
    ]


def _felt(text: str) -> int:
    """Encode as revision 0 does: digits are a number, 0x is hex, anything else a short string."""
    if text.startswith("0x"):
        return int(text, 16)
    return int(text) if text.isdigit() else short_string(text)


@cache
def _selector(text: str) -> int:
    return starknet_keccak(text.encode("ascii"))

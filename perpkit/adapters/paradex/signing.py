"""
Requests to signatures: Paradex's typed messages, hashed and signed for one account. Pure, given key, time and message.

The messages are SNIP-12 revision 0 (Pedersen): ``[prefix, domain, account, message]`` hashed as a sequence. Prefix,
domain and account never change in a session, so their part of the hash is computed once; an order then costs nine
Pedersen hashes and a signature.

Layouts: the venue's documentation and its SDK (paradex-py 0.8.2), which ``tests/oracle`` compares with this byte for
byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol

from perpkit.adapters.paradex import endpoints
from perpkit.adapters.paradex.encode import Unsigned
from perpkit.crypto.stark import (
    fold_elements,
    hash_elements,
    pedersen_hash,
    public_key,
    short_string,
    sign,
    starknet_keccak,
)

_DOMAIN_TYPE: Final = "StarkNetDomain(name:felt,chainId:felt,version:felt)"
_AUTH_TYPE: Final = "Request(method:felt,path:felt,body:felt,timestamp:felt,expiration:felt)"
_ORDER_TYPE: Final = "Order(timestamp:felt,market:felt,side:felt,orderType:felt,size:felt,price:felt)"
_MODIFY_TYPE: Final = "ModifyOrder(timestamp:felt,market:felt,side:felt,orderType:felt,size:felt,price:felt,id:felt)"

_CHAIN_SIDE: Final = {"BUY": 1, "SELL": 2}
_PARTS: Final = 4
"""Prefix, domain, account, message: the length that closes the outer sequence."""


class Signer(Protocol):
    """Signs for one account on one chain. Methods are synchronous and touch no network."""

    @property
    def public_key(self) -> int:
        """The signing key's public key."""
        ...

    def order_hash(self, order: Unsigned, timestamp_ms: int) -> int:
        """Return what is signed for a new order or a modification."""
        ...

    def auth_hash(self, timestamp: int, expiration: int) -> int:
        """Return what is signed to sign in; times in seconds."""
        ...

    def sign_order(self, order: Unsigned, timestamp_ms: int) -> str:
        """Return the signature as the wire has it."""
        ...

    def sign_auth(self, timestamp: int, expiration: int) -> str:
        """Return the signature as the wire has it."""
        ...


@lru_cache(maxsize=4096)
def _word(text: str) -> int:
    return short_string(text)


def felt(text: str) -> int:
    """
    Read a value of type felt as typed data does: a decimal number, a 0x number, else a short string.

    Raises:
        ValueError: It fits none of them.
    """
    if text.startswith("0x"):
        return int(text, 16)
    if text.isascii() and text.isdecimal():
        return int(text)
    return _word(text)


def wire_signature(r: int, s: int) -> str:
    """Return ``["r","s"]``, decimals as text: the form of headers and bodies alike."""
    return f'["{r}","{s}"]'


class NativeSigner:
    """
    Signs on fast-stark-crypto.

    Args:
        private_key: The main account's key, or a subkey's.
        account: The MAIN account's address, whichever key signs.
        chain_id: ``starknet_chain_id`` of ``GET /system/config``.
    """

    def __init__(self, private_key: int, account: int, chain_id: str) -> None:
        self._key = private_key
        self._public_key = public_key(private_key)
        domain = hash_elements(
            [starknet_keccak(_DOMAIN_TYPE.encode()), short_string("Paradex"), short_string(chain_id), 1]
        )
        self._prefix = fold_elements(0, [short_string("StarkNet Message"), domain, account])
        self._order_start, self._modify_start, self._auth_start = (
            pedersen_hash(0, starknet_keccak(name.encode())) for name in (_ORDER_TYPE, _MODIFY_TYPE, _AUTH_TYPE)
        )

    def __repr__(self) -> str:
        return f"NativeSigner(public_key={self._public_key:#x})"

    @property
    def public_key(self) -> int:
        """The signing key's public key."""
        return self._public_key

    def order_hash(self, order: Unsigned, timestamp_ms: int) -> int:
        """Return what is signed for a new order or, where it names an order id, a modification."""
        values = [
            timestamp_ms,
            _word(order.market),
            _CHAIN_SIDE[order.side],
            _word(order.type),
            order.size,
            order.price,
        ]
        if order.order_id is None:
            return self._message_hash(self._order_start, values)
        return self._message_hash(self._modify_start, [*values, felt(order.order_id)])

    def auth_hash(self, timestamp: int, expiration: int) -> int:
        """Return what is signed to sign in; times in seconds."""
        # The body is the empty string, whose short string is 0.
        values = [_word("POST"), _word(endpoints.SIGNED_AUTH_PATH), 0, timestamp, expiration]
        return self._message_hash(self._auth_start, values)

    def sign_order(self, order: Unsigned, timestamp_ms: int) -> str:
        """Return the signature of a new order or a modification."""
        return wire_signature(*sign(self._key, self.order_hash(order, timestamp_ms)))

    def sign_auth(self, timestamp: int, expiration: int) -> str:
        """Return the signature of a sign-in."""
        return wire_signature(*sign(self._key, self.auth_hash(timestamp, expiration)))

    def _message_hash(self, start: int, values: Sequence[int]) -> int:
        # The type's hash is the first element of the message, so the length counts it.
        message = pedersen_hash(fold_elements(start, values), len(values) + 1)
        return pedersen_hash(pedersen_hash(self._prefix, message), _PARTS)


_ADDRESS_BOUND: Final = 2**251 - 256
"""Contract addresses stay below this (Starknet)."""


def derive_account(public: int, *, account_hash: int, proxy_hash: int) -> int:
    """
    Return the address of the account that a main key owns: a proxy deployed with ``initialize(public_key, 0)``.

    Both class hashes come from ``GET /system/config``. Only for the main key of an account made with a Starknet key; a
    subkey acts for an address that its public key does not tell.
    """
    calldata = [account_hash, starknet_keccak(b"initialize"), 2, public, 0]
    parts = [_word("STARKNET_CONTRACT_ADDRESS"), 0, public, proxy_hash, hash_elements(calldata)]
    return hash_elements(parts) % _ADDRESS_BOUND

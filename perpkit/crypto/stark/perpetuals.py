"""
The order message of StarkWare's perpetual contract (``starknet-perpetual``), hashed by ``fast-stark-crypto``.

SNIP-12, revision 1: Poseidon("StarkNet Message", domain, signer, order). The layout is the contract's and not a
venue's; any venue that settles on it signs this. Amounts, assets and times come scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

from perpkit.crypto.stark._native import perpetuals
from perpkit.crypto.stark.field import STARK_PRIME

_MOST_POSITION = 2**32
_MOST_AMOUNT = 2**63
_MOST_SALT = 2**64


@dataclass(frozen=True, slots=True)
class Domain:
    """What a signature is bound to: contract, its version, and the chain's id as a short string."""

    name: str
    version: str
    chain_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class PerpetualOrder:
    """
    An order as it is signed.

    Attributes:
        base_amount, quote_amount: Signed quantums: what the signer receives is positive.
        fee_amount: The highest fee in quantums of ``fee_asset``.
        expiration: Seconds since 1970.
    """

    position_id: int
    base_asset: int
    base_amount: int
    quote_asset: int
    quote_amount: int
    fee_asset: int
    fee_amount: int
    expiration: int
    salt: int


def order_message_hash(order: PerpetualOrder, *, signer: int, domain: Domain) -> int:
    """
    Return the hash that ``signer``, a public key, signs.

    Raises:
        ConfigError: The library is not installed.
        ValueError: A number that the contract's types do not hold.
    """
    felts = (order.base_asset, order.quote_asset, order.fee_asset, signer)
    fits = (
        all(0 <= felt < STARK_PRIME for felt in felts)
        and 0 <= order.position_id < _MOST_POSITION
        and abs(order.base_amount) < _MOST_AMOUNT
        and abs(order.quote_amount) < _MOST_AMOUNT
        and 0 <= order.fee_amount < _MOST_SALT
        and 0 <= order.expiration < _MOST_SALT
        and 0 <= order.salt < _MOST_SALT
    )
    if not fits:
        raise ValueError(f"a number of the order does not fit its type in the contract: {order}")
    return int(
        perpetuals().get_order_msg_hash(
            position_id=order.position_id,
            base_asset_id=order.base_asset,
            base_amount=order.base_amount,
            quote_asset_id=order.quote_asset,
            quote_amount=order.quote_amount,
            fee_asset_id=order.fee_asset,
            fee_amount=order.fee_amount,
            expiration=order.expiration,
            salt=order.salt,
            user_public_key=signer,
            domain_name=domain.name,
            domain_version=domain.version,
            domain_chain_id=domain.chain_id,
            domain_revision=str(domain.revision),
        )
    )

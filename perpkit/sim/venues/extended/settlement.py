"""
What an order's Stark signature covers, computed anew from the order as the venue's API carries it.

SNIP-12 revision 1: Poseidon over prefix, domain, public key and the order's hash. Written from the published layout of
the settlement contract; it shares field arithmetic with the adapter and nothing else, so that a mistake in either
shows as a refused signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from perpkit.crypto.stark import STARK_PRIME, poseidon_hash_many, short_string, starknet_keccak, verify
from perpkit.sim.money import product
from perpkit.sim.venues.extended.settings import DOMAIN_NAME, DOMAIN_REVISION, DOMAIN_VERSION

EXPIRATION_BUFFER_S = 14 * 24 * 3600
"""Added to an order's expiry before it is signed."""

VAULT_LIMIT = 2**32
_PREFIX = short_string("StarkNet Message")
_DOMAIN_TYPE = (
    b'"StarknetDomain"("name":"shortstring","version":"shortstring","chainId":"shortstring","revision":"shortstring")'
)
_ORDER_TYPE = (
    b'"Order"("position_id":"felt","base_asset_id":"AssetId","base_amount":"i64","quote_asset_id":"AssetId",'
    b'"quote_amount":"i64","fee_asset_id":"AssetId","fee_amount":"u64","expiration":"Timestamp","salt":"felt")'
    b'"PositionId"("value":"u32")"AssetId"("value":"felt")"Timestamp"("seconds":"u64")'
)


@dataclass(frozen=True, slots=True)
class L2Config:
    """A market's identifiers and resolutions on the chain, as ``GET /info/markets`` gives them."""

    synthetic_id: int
    synthetic_resolution: int
    collateral_id: int
    collateral_resolution: int


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What is signed for, as the request says it.

    Attributes:
        fee: The highest rate accepted, the builder's part included.
        expiry_ms: When the order expires, milliseconds since 1970.
    """

    is_buy: bool
    qty: Decimal
    price: Decimal
    fee: Decimal
    expiry_ms: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Amounts:
    """Signed quantums: the base is positive and the quote negative for a buy; the fee is never negative."""

    base: int
    quote: int
    fee: int


def amounts_of(terms: Terms, l2: L2Config) -> Amounts:
    """Return the quantums: a buy's are rounded up, a sell's down, the fee always up, each from exact products."""
    rounding = ROUND_CEILING if terms.is_buy else ROUND_FLOOR
    sign = 1 if terms.is_buy else -1
    base = _whole(product(terms.qty, Decimal(l2.synthetic_resolution)), rounding)
    worth = product(terms.qty, terms.price, Decimal(l2.collateral_resolution))
    return Amounts(
        base=sign * base,
        quote=-sign * _whole(worth, rounding),
        fee=_whole(product(terms.fee, terms.qty, terms.price, Decimal(l2.collateral_resolution)), ROUND_CEILING),
    )


def expiration_s(expiry_ms: int) -> int:
    """Return the signed expiration: the expiry in whole seconds, rounded up, and 14 days."""
    return -(-expiry_ms // 1000) + EXPIRATION_BUFFER_S


class OrderHasher:
    """Hashes the orders of one chain; a signature made for another does not fit them."""

    def __init__(self, chain_id: str) -> None:
        self.domain_hash = poseidon_hash_many(
            [
                starknet_keccak(_DOMAIN_TYPE),
                short_string(DOMAIN_NAME),
                short_string(DOMAIN_VERSION),
                short_string(chain_id),
                DOMAIN_REVISION,
            ]
        )
        self._selector = starknet_keccak(_ORDER_TYPE)

    def order_hash(self, terms: Terms, l2: L2Config, vault: int) -> int:
        """Return the hash of the order alone; the chain keeps an order's fill budget under it."""
        amounts = amounts_of(terms, l2)
        return poseidon_hash_many(
            [
                self._selector,
                vault,
                l2.synthetic_id,
                amounts.base % STARK_PRIME,
                l2.collateral_id,
                amounts.quote % STARK_PRIME,
                l2.collateral_id,
                amounts.fee,
                expiration_s(terms.expiry_ms),
                terms.nonce,
            ]
        )

    def message_hash(self, terms: Terms, l2: L2Config, vault: int, public_key: int) -> int:
        """Return what the owner of the public key signs."""
        return poseidon_hash_many([_PREFIX, self.domain_hash, public_key, self.order_hash(terms, l2, vault)])

    def is_signed(self, terms: Terms, l2: L2Config, vault: int, public_key: int, signature: tuple[int, int]) -> bool:
        """Tell whether the key signed these terms."""
        return verify(public_key, self.message_hash(terms, l2, vault, public_key), *signature)


def _whole(value: Decimal, rounding: str) -> int:
    return int(value.to_integral_value(rounding))

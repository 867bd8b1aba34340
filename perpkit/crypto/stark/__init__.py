"""
Starknet primitives: Pedersen, Poseidon and Keccak hashes, the Stark curve's keys and signatures, short strings.

Numbers in, numbers out: field elements are plain ints below ``STARK_PRIME``. What is hashed and in which
order (typed data, message layouts) belongs to whoever speaks a venue's wire, not here.
"""

from perpkit.crypto.stark.curve import (
    CURVE_ORDER,
    SIGNABLE_LIMIT,
    fold_elements,
    hash_elements,
    is_public_key,
    pedersen_hash,
    public_key,
    sign,
    verify,
)
from perpkit.crypto.stark.field import STARK_PRIME, short_string, starknet_keccak
from perpkit.crypto.stark.poseidon import hades_permutation, poseidon_hash_many

__all__ = [
    "CURVE_ORDER",
    "SIGNABLE_LIMIT",
    "STARK_PRIME",
    "fold_elements",
    "hades_permutation",
    "hash_elements",
    "is_public_key",
    "pedersen_hash",
    "poseidon_hash_many",
    "public_key",
    "short_string",
    "sign",
    "starknet_keccak",
    "verify",
]

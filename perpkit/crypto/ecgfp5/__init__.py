"""
The curve ecGFp5 over the quintic extension of Goldilocks, Poseidon2, and Schnorr signatures of both, in pure Python.

Field elements and hashes in, bytes out. What is hashed and in which order belongs to whoever speaks a venue's wire.
"""

from perpkit.crypto.ecgfp5.curve import ORDER
from perpkit.crypto.ecgfp5.goldilocks import MODULUS
from perpkit.crypto.ecgfp5.poseidon2 import hash_elements, hash_to_quintic
from perpkit.crypto.ecgfp5.quintic import Element, from_bytes, to_bytes
from perpkit.crypto.ecgfp5.schnorr import PublicKey, public_key, sign

__all__ = [
    "MODULUS",
    "ORDER",
    "Element",
    "PublicKey",
    "from_bytes",
    "hash_elements",
    "hash_to_quintic",
    "public_key",
    "sign",
    "to_bytes",
]

"""The ecGFp5 primitives against published vectors, against lighter-sdk's signer library, and against nonsense."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest

from perpkit.crypto.ecgfp5 import (
    MODULUS,
    ORDER,
    PublicKey,
    from_bytes,
    goldilocks,
    hash_elements,
    hash_to_quintic,
    public_key,
    quintic,
    sign,
    to_bytes,
)
from perpkit.crypto.ecgfp5.curve import GENERATOR, NEUTRAL, Multiples, add_points, decode, encode
from perpkit.crypto.ecgfp5.poseidon2 import permute

VECTORS = json.loads((Path(__file__).parent / "data" / "ecgfp5_vectors.json").read_text())
PUBLISHED = VECTORS["published"]
SECRET = int.from_bytes(bytes.fromhex(PUBLISHED["secret_key"]), "little")
SEED = 20261129


def elements(count: int) -> list[quintic.Element]:
    rng = random.Random(SEED)
    return [tuple(rng.randrange(MODULUS) for _ in range(5)) for _ in range(count)]


def test_the_permutation_of_the_first_twelve_numbers_is_the_published_one():
    """Poseidon2 at width 12 on 0 to 11."""
    assert permute(range(12)) == PUBLISHED["permutation_of_0_to_11"]


def test_the_hash_of_three_numbers_is_the_published_one():
    """A chunk shorter than the rate overwrites only the start of the state."""
    assert list(hash_to_quintic([1, 2, 3])) == PUBLISHED["hash_of_1_2_3"]
    assert hash_elements([1, 2, 3], 4) == PUBLISHED["hash_of_1_2_3"][:4]


def test_the_hash_of_an_order_s_fields_is_the_published_one():
    """Two chunks: the second overwrites what the first left."""
    assert to_bytes(hash_to_quintic(PUBLISHED["order_fields"])).hex() == PUBLISHED["order_hash"]


def test_the_public_key_of_the_published_secret_is_the_published_one():
    """Forty bytes, of w = y/x."""
    assert public_key(SECRET).hex() == PUBLISHED["public_key"]


def test_signing_with_the_published_nonce_makes_the_published_signature():
    """With the nonce fixed, a signature is determined to the last byte."""
    message = from_bytes(bytes.fromhex(PUBLISHED["order_hash"]))
    nonce = int(PUBLISHED["nonce"], 16)
    assert sign(SECRET, message, nonce).hex() == PUBLISHED["signature"]


@pytest.mark.parametrize(("secret", "expected"), VECTORS["key"])
def test_public_keys_agree_with_the_signer_library(secret, expected):
    """A secret key leads to one public key, whoever computes it."""
    assert public_key(int.from_bytes(bytes.fromhex(secret), "little")).hex() == expected


def test_the_signer_library_s_signatures_are_accepted_and_tampered_ones_are_not():
    """Every signature verifies; with one bit turned in s, e or the message it does not."""
    keys = {public: PublicKey(bytes.fromhex(public)) for public, _, _ in VECTORS["signature"]}
    assert len(VECTORS["signature"]) == 60
    for number, (public, digest, signature) in enumerate(VECTORS["signature"]):
        message, made = from_bytes(bytes.fromhex(digest)), base64.b64decode(signature)
        assert keys[public].verify(message, made)
        turned = bytearray(made)
        turned[number] ^= 1
        assert not keys[public].verify(message, bytes(turned))
        assert not keys[public].verify(((message[0] ^ 1), *message[1:]), made)


def test_another_key_s_signature_is_refused():
    """A signature is good for one key only."""
    message = hash_to_quintic([7])
    assert PublicKey(public_key(5)).verify(message, sign(5, message))
    assert not PublicKey(public_key(6)).verify(message, sign(5, message))


def test_a_signature_with_a_scalar_beyond_the_order_is_refused():
    """Adding the order to s or e gives the same point, so only the range check tells them apart."""
    message = hash_to_quintic([7])
    made = sign(5, message)
    for half in (0, 40):
        scalar = int.from_bytes(made[half : half + 40], "little") + ORDER
        longer = made[:half] + scalar.to_bytes(40, "little") + made[half + 40 :]
        assert not PublicKey(public_key(5)).verify(message, longer)


@pytest.mark.parametrize("size", [0, 79, 81])
def test_a_signature_of_another_length_is_refused(size):
    """Eighty bytes, no more and no fewer."""
    message = hash_to_quintic([7])
    assert not PublicKey(public_key(5)).verify(message, (sign(5, message) + b"\x00")[:size])


def test_two_signatures_of_one_message_differ():
    """The nonce is drawn anew each time."""
    message = hash_to_quintic([7])
    assert sign(5, message) != sign(5, message)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "40 bytes"),
        (bytes(39), "40 bytes"),
        (bytes(40), "neutral"),
        (b"\xff" * 40, "limb"),
    ],
)
def test_bytes_that_are_no_public_key_are_refused_with_the_reason(data, reason):
    """The length, the neutral point, a limb beyond the modulus."""
    with pytest.raises(ValueError, match=reason):
        PublicKey(data)


def test_about_half_of_all_elements_encode_no_point():
    """An element whose discriminant is no square is refused, and every other one leads back to itself."""
    refused = 0
    for w in elements(20):
        e = quintic.subtract(quintic.multiply(w, w), (2, 0, 0, 0, 0))
        discriminant = quintic.subtract(quintic.multiply(e, e), (0, 4 * 263, 0, 0, 0))
        if quintic.is_square(discriminant):
            assert encode(decode(w)) == w
            continue
        refused += 1
        with pytest.raises(ValueError, match="encode no point"):
            PublicKey(to_bytes(w))
    assert 3 <= refused <= 17


@pytest.mark.parametrize("scalar", [0, -1, ORDER, ORDER + 1])
def test_a_secret_outside_the_group_is_refused_without_naming_it(scalar):
    """From 1 to below the order; the message does not hold the number."""
    with pytest.raises(ValueError, match="scalar") as caught:
        public_key(scalar)
    assert str(ORDER) not in str(caught.value)
    with pytest.raises(ValueError, match="scalar"):
        sign(scalar, hash_to_quintic([1]))
    with pytest.raises(ValueError, match="scalar"):
        sign(5, hash_to_quintic([1]), scalar)


def test_numbers_that_are_no_field_elements_are_refused():
    """Neither hashing nor the permutation reduces what is too large."""
    for bad in (-1, MODULUS):
        with pytest.raises(ValueError, match="Goldilocks"):
            hash_to_quintic([0, bad])
        with pytest.raises(ValueError, match="Goldilocks"):
            permute([bad, *range(11)])
    with pytest.raises(ValueError, match="12 elements"):
        permute([1, 2, 3])


def test_the_order_times_the_generator_is_neutral():
    """The group has the order that it says, and adding the generator wraps round to it."""
    table = Multiples(GENERATOR)
    last = table.times(ORDER - 1)
    assert encode(add_points(last, GENERATOR)) == quintic.ZERO
    assert encode(add_points(add_points(last, GENERATOR), GENERATOR)) == encode(GENERATOR)


def test_tables_of_any_window_give_the_product_that_additions_give():
    """Four bits or seven, small scalars or large ones."""
    walked, narrow, wide = NEUTRAL, Multiples(GENERATOR), Multiples(GENERATOR, bits=7)
    for scalar in range(20):
        assert encode(narrow.times(scalar)) == encode(wide.times(scalar)) == encode(walked)
        walked = add_points(walked, GENERATOR)
    large = random.Random(SEED).randrange(ORDER)
    assert encode(narrow.times(large)) == encode(wide.times(large))


def test_inverses_and_square_roots_undo_what_they_name():
    """Over the extension, one by one and in bulk."""
    some = elements(8)
    for a, inverse in zip(some, quintic.invert_all(some), strict=True):
        assert quintic.multiply(a, inverse) == quintic.ONE == quintic.multiply(a, quintic.invert(a))
        square = quintic.multiply(a, a)
        assert quintic.is_square(square)
        root = quintic.square_root(square)
        assert root in {a, quintic.subtract(quintic.ZERO, a)}
    assert quintic.invert(quintic.ZERO) == quintic.ZERO
    assert quintic.square_root(quintic.ZERO) == quintic.ZERO
    with pytest.raises(ValueError, match="no inverse"):
        quintic.invert_all([quintic.ONE, quintic.ZERO])


def test_an_element_without_a_square_root_is_refused():
    """7 generates the field's multiplicative group, so it is no square, and neither is it in the extension."""
    with pytest.raises(ValueError, match="no square root"):
        goldilocks.square_root(7)
    with pytest.raises(ValueError, match="no square root"):
        quintic.square_root((7, 0, 0, 0, 0))
    assert goldilocks.square_root(4) in {2, MODULUS - 2}

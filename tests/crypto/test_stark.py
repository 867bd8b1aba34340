"""The Stark primitives against vectors made by starknet-py, and against nonsense."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from perpkit.core.errors import ConfigError
from perpkit.crypto.stark import (
    CURVE_ORDER,
    SIGNABLE_LIMIT,
    STARK_PRIME,
    _native,
    hash_elements,
    is_public_key,
    pedersen_hash,
    public_key,
    short_string,
    sign,
    starknet_keccak,
    verify,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "stark_vectors.json").read_text())


def felt(text: str) -> int:
    return int(text, 16)


def test_pedersen_agrees_with_starkware_s_published_vector():
    """The first vector of StarkWare's signature_test_data.json."""
    a = 0x3D937C035C878245CAF64531A5756109C53068DA139362728FEB561405371CB
    b = 0x208A0A10250E382E1E4BBE2880906C2791BF6275695E02FBBC6AEFF9CD8B31A
    assert pedersen_hash(a, b) == 0x30E480BED5FE53FA909CC0F8C4D99B8F9F2C016BE4C41E13A4848797979C662


@pytest.mark.parametrize(("a", "b", "expected"), VECTORS["pedersen"])
def test_pedersen_agrees_with_starknet_py(a, b, expected):
    """Two implementations of the hash give one number, at the edges of the field too."""
    assert pedersen_hash(felt(a), felt(b)) == felt(expected)


@pytest.mark.parametrize(("elements", "expected"), VECTORS["hash_elements"])
def test_hashing_a_sequence_agrees_with_starknet_py(elements, expected):
    """The chain starts at 0 and ends with the length."""
    assert hash_elements([felt(e) for e in elements]) == felt(expected)


@pytest.mark.parametrize(("private", "expected"), VECTORS["public_key"])
def test_public_keys_agree_with_starknet_py(private, expected):
    """A private key leads to one public key, whoever computes it."""
    assert public_key(felt(private)) == felt(expected)
    assert is_public_key(felt(expected))


@pytest.mark.parametrize(("private", "message", "r", "s"), VECTORS["signature"])
def test_signatures_made_by_starknet_py_verify(private, message, r, s):
    """A foreign signature is accepted, and refused for any other message, key or half."""
    public = public_key(felt(private))
    assert verify(public, felt(message), felt(r), felt(s))
    assert not verify(public, felt(message) ^ 1, felt(r), felt(s))
    assert not verify(public, felt(message), felt(r) ^ 1, felt(s))
    assert not verify(public, felt(message), felt(r), felt(s) ^ 1)
    assert not verify(public_key(123456789), felt(message), felt(r), felt(s))


@pytest.mark.parametrize(("text", "expected"), VECTORS["short_string"])
def test_short_strings_agree_with_starknet_py(text, expected):
    """ASCII bytes are read as one big-endian number."""
    assert short_string(text) == felt(expected)


@pytest.mark.parametrize(("name", "expected"), VECTORS["keccak"])
def test_starknet_keccak_agrees_with_starknet_py(name, expected):
    """A selector is the Keccak of its name, cut to 250 bits."""
    assert starknet_keccak(name.encode()) == felt(expected)


def test_a_signature_of_ours_verifies_and_is_repeatable():
    """The nonce comes from the key and the message, so the same order is signed the same way twice."""
    rng = random.Random(7)
    for message in (0, 1, SIGNABLE_LIMIT - 1, rng.randrange(SIGNABLE_LIMIT)):
        key = rng.randrange(1, CURVE_ORDER)
        signature = sign(key, message)
        assert signature == sign(key, message)
        assert verify(public_key(key), message, *signature)


@pytest.mark.parametrize("value", [-1, STARK_PRIME, STARK_PRIME + 1, 2**256])
def test_a_number_outside_the_field_is_refused_and_not_reduced(value):
    """Silent reduction would let two different messages have one hash."""
    with pytest.raises(ValueError, match="field element"):
        pedersen_hash(value, 1)
    with pytest.raises(ValueError, match="field element"):
        pedersen_hash(1, value)


@pytest.mark.parametrize("private", [-1, 0, CURVE_ORDER, STARK_PRIME, 2**256])
def test_a_number_that_is_no_private_key_is_refused_without_being_shown(private):
    """The library beneath would panic, which passes every handler of Exception."""
    for use in (public_key, lambda key: sign(key, 1)):
        with pytest.raises(ValueError, match="private key") as caught:
            use(private)
        assert str(private) not in str(caught.value).replace("1 and", "")


@pytest.mark.parametrize("message", [-1, SIGNABLE_LIMIT, STARK_PRIME - 1, 2**256])
def test_a_hash_too_big_to_sign_is_refused(message):
    """Starknet signs hashes below 2**251 only."""
    with pytest.raises(ValueError, match=r"2\*\*251"):
        sign(5, message)


def test_verifying_nonsense_is_a_no_and_never_a_crash():
    """A simulator calls this with whatever a client sent."""
    rng = random.Random(11)
    public = public_key(5)
    bounds = [SIGNABLE_LIMIT, CURVE_ORDER, STARK_PRIME]
    edges = [-1, 0, 1, 2, 2**256, *bounds, *(bound - 1 for bound in bounds)]
    for _ in range(1500):
        key, message, r, s = (rng.choice(edges) if rng.random() < 0.7 else rng.randrange(2**252) for _ in range(4))
        assert verify(rng.choice([public, key]), message, r, s) is False


def test_an_s_whose_inverse_is_out_of_range_is_a_no():
    """Starknet bounds the inverse of s; the library beneath panics on it."""
    s = pow(SIGNABLE_LIMIT + 1, -1, CURVE_ORDER)
    assert verify(public_key(5), 1, 1, s) is False


@pytest.mark.parametrize("text", ["x" * 32, "naïve"])
def test_text_that_is_no_short_string_is_refused(text):
    """Longer than 31 bytes would leave the field."""
    with pytest.raises(ValueError, match="short string"):
        short_string(text)


@pytest.mark.parametrize(
    ("module", "package", "use"),
    [
        ("fast_stark_crypto", "fast-stark-crypto", lambda: pedersen_hash(1, 2)),
        ("Crypto.Hash", "pycryptodome", lambda: starknet_keccak(b"a")),
    ],
)
def test_without_the_extra_the_error_names_the_install_command(monkeypatch, module, package, use):
    """perpkit imports without the compiled libraries; using them says what to install."""
    _native.stark.cache_clear()
    _native._keccak.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    try:
        with pytest.raises(ConfigError, match=r"pip install 'perpkit\[paradex\]'") as caught:
            use()
        assert package in str(caught.value)
    finally:
        _native.stark.cache_clear()
        _native._keccak.cache_clear()

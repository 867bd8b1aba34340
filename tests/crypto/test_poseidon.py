"""Poseidon against vectors of StarkWare's implementation, published and made, and against nonsense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perpkit.crypto.stark import STARK_PRIME, hades_permutation, poseidon_hash_many

VECTORS = json.loads((Path(__file__).parent / "data" / "poseidon_vectors.json").read_text())


def felt(text: str) -> int:
    return int(text, 16)


def test_the_permutation_agrees_with_the_published_vector():
    """Of three zeros, as StarkWare's reference states it."""
    assert hades_permutation((0, 0, 0)) == (
        3446325744004048536138401612021367625846492093718951375866996507163446763827,
        1590252087433376791875644726012779423683501236913937337746052470473806035332,
        867921192302518434283879514999422690776342565400001269945778456016268852423,
    )


@pytest.mark.parametrize(("state", "expected"), VECTORS["permutation"])
def test_the_permutation_agrees_with_starkware_s(state, expected):
    """At the edges of the field too."""
    assert hades_permutation(tuple(map(felt, state))) == tuple(map(felt, expected))


@pytest.mark.parametrize(("elements", "expected"), VECTORS["hash_many"])
def test_hashing_a_sequence_agrees_with_starkware_s(elements, expected):
    """Of no element, one, and up to fifteen: odd lengths are padded otherwise than even ones."""
    assert poseidon_hash_many(list(map(felt, elements))) == felt(expected)


def test_the_length_of_a_sequence_counts():
    """A zero more is another sequence."""
    assert len({poseidon_hash_many([1] + [0] * zeros) for zeros in range(4)}) == 4


@pytest.mark.parametrize("value", [-1, STARK_PRIME, 2**256])
def test_a_number_outside_the_field_is_refused_and_not_reduced(value):
    """Silent reduction would let two different messages have one hash."""
    with pytest.raises(ValueError, match="field element"):
        poseidon_hash_many([1, value])
    with pytest.raises(ValueError, match="field element"):
        hades_permutation((value, 0, 0))

"""Ids from a seed."""

from perpkit.sim.ids import Ids


def test_ids_grow_from_where_a_venue_s_begin():
    """A venue with 64-bit ids has them here too, and the same seed gives the same ones."""
    first = 2_051_000_000_000_000_000
    one, same, other = Ids(7, first), Ids(7, first), Ids(8, first)
    numbers = [int(one.next_id()) for _ in range(100)]
    assert numbers == sorted(set(numbers))
    assert first < numbers[0] < numbers[-1] < 2**63
    assert [int(same.next_id()) for _ in range(100)] == numbers
    assert int(other.next_id()) != numbers[0]

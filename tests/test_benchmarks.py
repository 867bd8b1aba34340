"""What the benchmarks feed and how they reckon; their figures are nobody's test."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from benchmarks.harness import Ratio, in_turns, percentile, times_faster
from benchmarks.payloads import CHANNELS, Frames

CONTRACT = Path(__file__).parent.parent / "perpkit/sim/venues/paradex/contract/asyncapi.yaml"

SCHEMAS = {
    "trade": "ResponsesTradeResult",
    "order": "ResponsesOrderResp",
    "book, 15 levels a side": "ResponsesPriceBookUpdate",
    "funding": "ResponsesFundingDataResult",
}


@pytest.fixture(scope="module")
def contract() -> dict:
    """The venue's stream contract."""
    return yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", CHANNELS)
def test_the_frames_that_are_measured_are_the_venues_own(kind: str, contract: dict):
    """Each payload validates against the venue's contract, and no two are the same."""
    frames = Frames().take(kind, 30)
    assert len(set(frames)) == 30
    schema = {**contract["components"]["schemas"][SCHEMAS[kind]], "components": contract["components"]}
    for frame in frames:
        message = json.loads(frame)
        assert message["params"]["channel"] == CHANNELS[kind]
        jsonschema.validate(message["params"]["data"], schema)


def test_a_percentile_is_a_sample_that_was_measured():
    """Nothing is interpolated: of ten samples, the ninth is the least that nine tenths don't exceed."""
    samples = [5.0, 1.0, 4.0, 2.0, 3.0, 10.0, 9.0, 8.0, 7.0, 6.0]
    assert [percentile(samples, share) for share in (0.0, 0.5, 0.9, 0.99, 1.0)] == [1.0, 5.0, 9.0, 10.0, 10.0]


def test_a_ratio_is_taken_round_by_round():
    """A round in which everything was slow weighs no more than another: 10/5, 100/10 and 9/3 have the median 3."""
    assert times_faster({"ours": [5.0, 10.0, 3.0], "theirs": [10.0, 100.0, 9.0]}, "ours", "theirs") == 3.0


def test_every_subject_is_measured_once_a_round_and_the_first_round_is_left_out():
    """Two subjects, three rounds: three figures each, and the work was done in turns."""
    calls: list[str] = []

    def subject(name: str):
        def batch(count: int) -> None:
            calls.append(name)
            sum(range(20_000 * count))

        return batch

    found = in_turns({"a": subject("a"), "b": subject("b")}, rounds=3, seconds=0.001)
    assert {name: len(figures) for name, figures in found.items()} == {"a": 3, "b": 3}
    assert calls[-8:] == ["a", "b"] * 4


def test_a_goal_is_a_floor_or_a_ceiling():
    """`at_most` turns it round, and without a goal nothing is met or missed."""
    assert Ratio("x", 4.0, 4.0).met is True
    assert Ratio("x", 3.9, 4.0).met is False
    assert Ratio("x", 3.9, 4.0, at_most=True).met is True
    assert Ratio("x", 3.9).met is None

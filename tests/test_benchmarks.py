"""What the benchmarks feed and how they reckon; their figures are nobody's test."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import jsonschema
import pytest
import yaml

from benchmarks.frames import Paradex
from benchmarks.frames_extended import Extended, books
from benchmarks.harness import Ratio, in_turns, percentile, times_faster
from benchmarks.payloads import CHANNELS, Frames
from benchmarks.streaming import Kind, compare, fields
from benchmarks.streaming_server import as_bytes
from perpkit.core.models import Channel, Side, Subscription, Trade

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


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (5, b"\x81\x05"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_frame_is_put_in_as_rfc_6455_has_it(size: int, header: bytes):
    """A whole text frame without a mask: its length in one byte, in two after 126, or in eight after 127."""
    assert as_bytes("x" * size) == header + b"x" * size


def test_numbers_that_differ_stop_a_measurement():
    """Unequal work is never timed: both have to read the same of the last frame, nothing included."""
    kind = Kind("x", Channel.TRADES, lambda: iter(()), None, None, fields("price", "size:amount"))
    ours = Trade.trusted(
        trade_id="1", market_id="m", side=Side.BUY, price=Decimal("0.5"), size=None, ts_venue=None, ts_received=None
    )
    compare(kind, ours, {"price": 0.5, "amount": None})
    for theirs in ({"price": 0.25, "amount": None}, {"price": 0.5, "amount": 0.0}, {"price": None, "amount": None}):
        with pytest.raises(AssertionError, match="perpkit reads"):
            compare(kind, ours, theirs)


def test_frames_bear_the_name_by_which_ccxt_follows_a_channel():
    """The rest of them stays as it is, and perpkit's keep their own."""
    kinds = {kind.name: kind for kind in Paradex().kinds}
    (frame,) = Frames().take("funding", 1)
    (theirs,) = kinds["funding"].for_ccxt([frame])
    assert json.loads(theirs)["params"] == {**json.loads(frame)["params"], "channel": "funding_data"}
    assert kinds["trade"].for_ccxt(["x"]) == ["x"]


@pytest.mark.parametrize("kind", Extended().kinds, ids=lambda kind: kind.name)
def test_extended_s_frames_follow_each_other_and_the_decoder_reads_each(kind: Kind):
    """Numbered from 1 without a gap as on one connection of the venue, and each after the first brings an event."""
    source, market = Extended().source("ws://127.0.0.1")
    (label,) = {topic.connection for topic in source.topics(Subscription(channel=kind.channel, market=market))}
    decode = source.decoder(label)
    now = datetime(2026, 9, 1, tzinfo=UTC)
    for number, frame in enumerate(islice(kind.frames(), 50), start=1):
        assert json.loads(frame)["seq"] == number
        events = [event for item in decode(frame, now) for event in item.events]
        assert len(events) == (0 if kind.name == "order" and number == 1 else 1)


def test_a_change_of_extended_s_book_says_what_stood_before_it():
    """The size after it less the change is the size that an earlier frame told of."""
    held: dict[tuple[str, str], Decimal] = {}
    for frame in islice(books(), 50):
        message = json.loads(frame)
        for side in "ba":
            for level in message["data"][side]:
                after = Decimal(level.get("c", level["q"]))
                if message["type"] == "DELTA":
                    assert after - Decimal(level["q"]) == held[side, level["p"]]
                held[side, level["p"]] = after

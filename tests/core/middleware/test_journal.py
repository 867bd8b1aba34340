"""The journal: what is about to leave stands on the disk first, and a restart finds out what became of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from perpkit.core.capabilities import VenueDescription
from perpkit.core.errors import (
    ConfigError,
    NotSentError,
    OrderRejectedError,
    OutcomeUnknownError,
    RejectReason,
    RequestTimeoutError,
    RiskLimitError,
)
from perpkit.core.hookspecs import hookimpl
from perpkit.core.middleware import Journal, RiskLimits, Unresolved
from perpkit.core.models import Order, OrderIntent, OrderRef, OrderStatus, OrderType, TimeInForce
from perpkit.core.opening import open_venue
from tests.core.clocks import START, ManualClock
from tests.core.middleware.rig import BTC, Rig, RigVenue, buy
from tests.core.toys import ToyVenue


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.jsonl"


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def left_open(path: Path) -> list[Unresolved]:
    """What the next process would find unresolved."""
    journal = Journal(path)
    journal.close()
    return journal.unresolved


def told(path: Path) -> list[tuple[str, ...]]:
    """What the file says, in short."""
    return [
        tuple(each[name] for name in ("event", "command", "client_order_id", "outcome") if name in each)
        for each in lines(path)
    ]


async def test_an_order_stands_on_the_disk_before_it_is_sent(path: Path):
    """While the venue still thinks, the file already holds the whole intent; afterwards also what came."""
    async with Rig(Journal(path, clock=ManualClock())) as rig:
        await rig.venue.fetch_markets()
        release = rig.hold()
        task = asyncio.create_task(rig.venue.place_order(buy(client_order_id="a-1")))
        await rig.inside()
        (sending,) = lines(path)
        assert (sending["event"], sending["venue"], sending["market_id"]) == ("sending", "toy", BTC)
        assert OrderIntent.model_validate(sending["intent"]) == buy(client_order_id="a-1")
        assert sending["at"] == START.isoformat()
        release.set()
        order = await task
    assert told(path)[1:] == [("outcome", "place", "a-1", "done")]
    assert lines(path)[1]["detail"] == order.venue_order_id


async def test_the_intent_comes_back_as_it_was(path: Path):
    """Every field of it, digits of decimals and kinds of options included, for an order that was never answered."""
    clock = ManualClock()
    intent = buy(
        size="0.10",
        price="100.50",
        client_order_id="a-1",
        type=OrderType.STOP_LIMIT,
        trigger_price=Decimal("101.0"),
        time_in_force=TimeInForce.GTD,
        expires_at=START + timedelta(hours=1),
        accept_within=timedelta(milliseconds=2500),
        reduce_only=True,
    )
    journal = Journal(path, clock=clock)
    await journal._announce("place_order", [journal._placing(intent)])
    journal.close()
    (again,) = left_open(path)
    assert again.intent == intent
    assert (str(again.intent.size), str(again.intent.price)) == ("0.10", "100.50")
    assert (again.order, again.sent_at) == (OrderRef(market_id=BTC, client_order_id="a-1"), START)


@pytest.mark.parametrize(
    ("failure", "outcome", "open_after"),
    [
        (OrderRejectedError("no margin"), "rejected", 0),
        (NotSentError("no connection"), "not_sent", 0),
        (OutcomeUnknownError("no answer"), "unknown", 1),
        (RequestTimeoutError("a plugin that forgot what a time-out means"), "unknown", 1),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else None,
)
async def test_errors_are_written_for_what_they_prove(path: Path, failure: Exception, outcome: str, open_after: int):
    """A refusal and what never left settle it; all else leaves it open, here and for the next process."""
    journal = Journal(path)
    async with Rig(journal) as rig:
        rig.plugin.failure = failure
        with pytest.raises(type(failure)):
            await rig.venue.place_order(buy(client_order_id="a-1"))
        rig.plugin.failure = None
        assert len(journal.unresolved) == open_after
    assert told(path) == [("sending", "place", "a-1"), ("outcome", "place", "a-1", outcome)]
    assert len(left_open(path)) == open_after


async def test_what_a_wrapper_further_in_refuses_was_never_sent(path: Path):
    """A risk limit inside the journal: nothing left, so nothing is open."""
    async with Rig(Journal(path), RiskLimits(markets=["ETH-USD-PERP@toy"])) as rig:
        with pytest.raises(RiskLimitError):
            await rig.venue.place_order(buy(client_order_id="a-1"))
        assert rig.reached.count("place_order") == 0
    assert told(path)[-1] == ("outcome", "place", "a-1", "not_sent")


async def test_a_canceled_call_stays_open(path: Path):
    """Nobody knows whether it arrived."""
    journal = Journal(path)
    async with Rig(journal) as rig:
        rig.hold()
        task = asyncio.create_task(rig.venue.place_order(buy(client_order_id="a-1")))
        await rig.inside()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        rig.plugin.hold = None
    assert [each.order.client_order_id for each in left_open(path)] == ["a-1"]


async def test_a_batch_is_written_whole_before_and_by_item_after(path: Path):
    """One taken, one refused, one unknown: three records before anything is sent, and one for each result."""
    async with Rig(Journal(path)) as rig:
        real = rig.plugin.place_order

        async def mixed(intents):
            assert told(path) == [("sending", "place", each.client_order_id) for each in intents]
            return [await real(intents[0]), OrderRejectedError("no"), OutcomeUnknownError("no answer")]

        hook = rig.venue._manager.hook.place_orders
        next(impl for impl in hook.get_hookimpls() if not impl.wrapper).function = mixed
        await rig.venue.place_orders([buy(client_order_id=each) for each in ("a-1", "a-2", "a-3")])
    assert [each[3] for each in told(path)[3:]] == ["done", "rejected", "unknown"]
    assert [each.order.client_order_id for each in left_open(path)] == ["a-3"]


async def test_a_batch_that_fails_whole_is_open_for_each(path: Path):
    """Each order may have been taken."""
    async with Rig(Journal(path)) as rig:
        rig.plugin.failure = OutcomeUnknownError("no answer")
        with pytest.raises(OutcomeUnknownError):
            await rig.venue.place_orders([buy(client_order_id="a-1"), buy(client_order_id="a-2")])
        rig.plugin.failure = None
    assert [each.order.client_order_id for each in left_open(path)] == ["a-1", "a-2"]


async def test_a_refused_amendment_does_not_settle_the_order_itself(path: Path):
    """The order's own outcome is unknown; that a change of it was refused says nothing about that."""
    journal = Journal(path)
    async with Rig(journal) as rig:
        order = await rig.venue.place_order(buy(client_order_id="a-1"))
        await journal._settle([("a-1", "place", OutcomeUnknownError("as if it were"))])
        await journal._announce("place_order", [journal._placing(buy(client_order_id="a-1"))])
        rig.plugin.failure = OrderRejectedError("no")
        with pytest.raises(OrderRejectedError):
            await rig.venue.amend_order(order, size="2")
        rig.plugin.failure = None
        assert [each.intent is not None for each in journal.unresolved] == [True]


async def test_an_amendment_of_unknown_outcome_is_settled_by_a_read(path: Path):
    """Whatever the order looks like now, it is known again."""
    journal = Journal(path)
    async with Rig(journal) as rig:
        order = await rig.venue.place_order(buy(client_order_id="a-1"))
        rig.plugin.failure = OutcomeUnknownError("no answer")
        with pytest.raises(OutcomeUnknownError):
            await rig.venue.amend_order(order, size="2")
        rig.plugin.failure = None
        assert [each.intent for each in journal.unresolved] == [None]
        await rig.venue.fetch_open_orders()
        assert journal.unresolved == []
    assert told(path)[-1] == ("outcome", "amend", "a-1", "done")
    sent = next(each for each in lines(path) if each["command"] == "amend")
    assert sent["amendment"]["size"] == "2"


async def killed_while_sending(path: Path, *client_order_ids: str) -> None:
    """Orders that were being sent when the process died."""
    journal = Journal(path, clock=ManualClock())
    async with Rig(journal) as rig:
        rig.hold()
        tasks = []
        for each in client_order_ids:
            rig.plugin.entered.clear()
            tasks.append(asyncio.create_task(rig.venue.place_order(buy(client_order_id=each))))
            await rig.inside()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        rig.plugin.hold = None


async def recovered(journal: Journal, rig: Rig, step: float) -> list[Order | OutcomeUnknownError]:
    """What is found out within an hour of the rig's clock, which moves by so many seconds at a time."""
    task = asyncio.create_task(journal.recover(rig.venue, within=timedelta(hours=1)))
    async with asyncio.timeout(20):
        while not task.done():
            await asyncio.sleep(0)
            rig.clock.advance(step)
    return task.result()


async def test_a_restart_recovers_what_was_taken_and_what_was_not(path: Path):
    """One order stands at the venue; of the other it never heard, and can't accept it any more."""
    await killed_while_sending(path, "taken", "never")
    journal = Journal(path)
    async with Rig(journal) as rig:
        await ToyVenue.place_order(rig.plugin, buy(client_order_id="taken"))
        taken, never = await recovered(journal, rig, step=0.5)
        assert (taken.client_order_id, taken.status, taken.size) == ("taken", OrderStatus.OPEN, Decimal(1))
        assert (never.client_order_id, never.reject_reason) == ("never", RejectReason.NEVER_RECEIVED)
        assert journal.unresolved == []
        assert "place_order" not in rig.reached
    assert told(path)[2:] == [("outcome", "place", "taken", "done"), ("outcome", "place", "never", "never_received")]


async def test_what_can_not_be_found_out_stays_open(path: Path):
    """A venue without a window in which it accepts an order: that it has none proves nothing."""
    await killed_while_sending(path, "never")

    class Patient(RigVenue):
        @hookimpl
        def describe_venue(self) -> VenueDescription:
            described = super().describe_venue()
            return described.replace(capabilities=described.capabilities.replace(never_accepted_after=None))

    journal = Journal(path)
    async with Rig(journal, plugin=Patient) as rig:
        (still,) = await recovered(journal, rig, step=60)
        assert isinstance(still, OutcomeUnknownError)
        assert still.client_order_id == "never"
        assert len(journal.unresolved) == 1
    assert [each.order.client_order_id for each in left_open(path)] == ["never"]


async def test_what_can_not_be_written_is_not_sent(path: Path, monkeypatch: pytest.MonkeyPatch):
    """A full disk: the error says so, the venue hears nothing, and the file is whole."""
    journal = Journal(path)
    async with Rig(journal) as rig:
        await rig.venue.place_order(buy(client_order_id="a-1"))
        before = lines(path)
        written = os.write

        def half(descriptor: int, data: memoryview) -> int:
            written(descriptor, bytes(data)[:20])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("perpkit.core.middleware.journal_file.os.write", half)
        with pytest.raises(NotSentError, match=r"No space left on device.*nothing was sent"):
            await rig.venue.place_order(buy(client_order_id="a-2"))
        assert rig.reached.count("place_order") == 1
        assert lines(path) == before
        monkeypatch.undo()


async def test_an_outcome_that_can_not_be_written_leaves_the_order_open(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """The caller gets the answer; the file says less than is so, never more."""
    journal = Journal(path)
    async with Rig(journal) as rig:
        release = rig.hold()
        task = asyncio.create_task(rig.venue.place_order(buy(client_order_id="a-1")))
        await rig.inside()

        def full(descriptor: int, data: memoryview) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("perpkit.core.middleware.journal_file.os.write", full)
        release.set()
        with caplog.at_level(logging.ERROR):
            assert (await task).client_order_id == "a-1"
        monkeypatch.undo()
        assert "a-1 could not be written (No space left on device); it stays unresolved" in caplog.text
        assert [each.order.client_order_id for each in journal.unresolved] == ["a-1"]


def test_a_line_cut_off_by_a_kill_is_left_out(path: Path, caplog: pytest.LogCaptureFixture):
    """Nothing was sent for it; what comes next starts on a line of its own."""
    whole = (
        '{"at":"2026-11-01T12:00:00+00:00","event":"sending","command":"place","venue":"toy","client_order_id":"a-1",'
        f'"market_id":"{BTC}"}}\n'
    )
    path.write_text(whole + whole[:40], "utf-8")
    with caplog.at_level(logging.WARNING):
        journal = Journal(path)
    assert len(journal.unresolved) == 1
    assert "not finished" in caplog.text
    assert path.read_text("utf-8") == whole


@pytest.mark.parametrize(
    "text", ['{"at":1}\n', "no json\n", '{"at":"2026-11-01T12:00:00+00:00","event":"asleep"}\n'], ids=range(3)
)
def test_a_line_that_can_not_be_read_is_named(path: Path, text: str):
    """Trading on without it could send an order a second time."""
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"line 1 can't be read.*set the file aside"):
        Journal(path)


def test_an_intent_that_can_not_be_read_is_named(path: Path):
    """By the id that it was sent as."""
    path.write_text(
        '{"at":"2026-11-01T12:00:00+00:00","event":"sending","command":"place","venue":"toy","client_order_id":"a-1",'
        f'"market_id":"{BTC}","intent":{{"market_id":"{BTC}","side":"up","size":"1"}}}}\n',
        "utf-8",
    )
    with pytest.raises(ConfigError, match="what was sent as a-1 can't be read"):
        Journal(path)
    # The file was let go: it can be opened once it is mended.
    path.write_text("", "utf-8")
    Journal(path).close()


def test_a_second_journal_on_the_same_file_is_refused(path: Path):
    """Two processes that recover the same orders would both act on them."""
    pytest.importorskip("fcntl", reason="this system has no file locks of that kind")
    first = Journal(path)
    with pytest.raises(ConfigError, match="open already"):
        Journal(path)
    first.close()
    Journal(path).close()


def test_the_file_is_for_its_owner_only(path: Path):
    """What somebody trades is nobody else's business."""
    Journal(path).close()
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path):
    """At once, not with the first order."""
    with pytest.raises(ConfigError, match="can't be opened: No such file or directory"):
        Journal(tmp_path / "nowhere" / "orders.jsonl")


def test_the_journal_of_another_venue_is_refused(path: Path):
    """Its orders could never be found."""
    path.write_text(
        '{"at":"2026-11-01T12:00:00+00:00","event":"outcome","command":"place","venue":"other","client_order_id":"a-1"}\n',
        "utf-8",
    )
    with pytest.raises(ConfigError, match="is of other; give toy one of its own"):
        open_venue("toy", plugin=ToyVenue, middleware=[Journal(path)], clock=ManualClock(), environ={})


async def test_after_closing_nothing_more_is_sent(path: Path):
    """An order without a record would be one that a restart knows nothing of."""
    journal = Journal(path)
    async with Rig(journal) as rig:
        journal.close()
        with pytest.raises(NotSentError, match="it is closed"):
            await rig.venue.place_order(buy())
        assert rig.reached.count("place_order") == 0

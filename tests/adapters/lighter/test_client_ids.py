"""Texts as client order ids: their numbers, the way back, the file that survives a kill, and collisions."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import stat
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.adapters.lighter import client_ids, order_ids
from perpkit.adapters.lighter.client_ids import ClientIds
from perpkit.core.errors import ConfigError, InvalidOrderError, NotSentError, OrderNotFoundError
from perpkit.core.models import OrderIntent, OrderRef, Side
from tests.adapters.lighter.conftest import EXAMPLES

ETH = "ETH-USDC-PERP@lighter"
ORDER = EXAMPLES["rest"]["Orders"]["orders"][0]
TRADE = EXAMPLES["rest"]["Trades"]["trades"][0]

ONE, OTHER = "hbot-70173850472843", "hbot-15743113695600"
"""Two texts with one number, found by some thirty million tries (a walk of hashes that closes on itself)."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lighter-ids.jsonl"


@pytest.fixture
async def keep():
    """Open a map: ``await keep(path)``; all are closed at the end."""
    kept = []

    async def enter(path=None):
        ids = ClientIds(path)
        await ids.open()
        kept.append(ids)
        return ids

    yield enter
    for ids in kept:
        await ids.close()


def intent(client_order_id, **changes):
    fields = {"market_id": ETH, "side": Side.BUY, "size": Decimal("0.1"), "price": Decimal(4000)}
    return OrderIntent(**{**fields, "client_order_id": client_order_id, **changes})


def ref(client_order_id):
    return OrderRef(market_id=ETH, client_order_id=client_order_id)


def number_of(text):
    return order_ids.client_index(text)


# Numbers


texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)


@given(texts)
def test_a_text_has_one_number_which_is_no_plain_one_of_perpkits(text):
    """Always the same, in the upper half of what the venue takes; plain numbers stand for themselves."""
    number = number_of(text)
    assert number == number_of(text)
    if re.fullmatch("[1-9][0-9]*", text) and int(text) < 2**48:
        assert number == int(text)
    else:
        assert 2**47 <= number < 2**48


def test_the_number_of_a_text_never_changes():
    """Another release must find the orders of this one: SHA-256 of a fixed prefix and the text, its first 8 bytes."""
    # printf 'perpkit lighter client order id 1\0hbot-1' | sha256sum
    digest = "3d982a0c1af042196026f21e685ff99a6a7f9bf77a47452879c7b4596613083a"
    assert number_of("hbot-1") == 2**47 + int(digest[:16], 16) % 2**47


def test_the_collision_of_these_tests_is_one():
    """Otherwise the tests below would prove nothing."""
    assert ONE != OTHER
    assert number_of(ONE) == number_of(OTHER)


@pytest.mark.parametrize("text", ["", "a b", "naïve", "a" * 65, "line\nbreak"])
def test_an_id_that_is_no_printable_text_is_refused(text):
    """Up to 64 characters without blanks."""
    with pytest.raises(InvalidOrderError, match="client_order_id"):
        number_of(text)


# In memory


async def test_reads_show_the_text_of_an_order_that_this_process_sent(keep):
    """And the number itself where none is known."""
    ids = await keep()
    assert ids.text_of(number_of("hb-1")) == str(number_of("hb-1"))
    await ids.claim(["hb-1", "1001", None])
    assert ids.text_of(number_of("hb-1")) == "hb-1"
    assert ids.text_of(1001) == "1001"
    assert ids.text_of(0) is None


async def test_a_text_that_something_is_asked_by_is_shown_from_then_on(keep):
    """After a restart without a file the first question by the text brings it back."""
    ids = await keep()
    number = await ids.number_of("hb-1")
    assert ids.text_of(number) == "hb-1"


@pytest.mark.parametrize("second", [OTHER, str(number_of(ONE))])
async def test_a_second_id_for_a_number_is_refused_for_everything(keep, second):
    """Whether another text or the number itself: neither sent nor asked by, so it can't reach the first one's order."""
    ids = await keep()
    await ids.claim([ONE])
    with pytest.raises(InvalidOrderError, match=f"stands for '{ONE}'"):
        await ids.claim([second])
    with pytest.raises(InvalidOrderError, match=f"stands for '{ONE}'"):
        await ids.number_of(second)
    assert ids.text_of(number_of(ONE)) == ONE


async def test_a_text_whose_number_was_sent_as_it_is_is_refused(keep):
    """The other way round: the plain number came first."""
    ids = await keep()
    plain = str(number_of(ONE))
    await ids.claim([plain])
    with pytest.raises(InvalidOrderError, match=f"stands for '{plain}'"):
        await ids.claim([ONE])


async def test_two_ids_of_one_batch_with_one_number_are_refused(keep):
    """And neither of them is kept."""
    ids = await keep()
    with pytest.raises(InvalidOrderError, match=f"stands for '{ONE}'"):
        await ids.claim([ONE, OTHER])
    await ids.claim([OTHER])


async def test_memory_is_bounded(keep, monkeypatch):
    """The oldest texts go first, where no file keeps them."""
    monkeypatch.setattr(client_ids, "_IN_MEMORY", 3)
    ids = await keep()
    names = [f"hb-{number}" for number in range(5)]
    for name in names:
        await ids.claim([name])
    shown = [ids.text_of(number_of(name)) for name in names]
    assert shown[2:] == names[2:]
    assert not set(shown[:2]) & set(names)


# In a file


async def test_a_restart_with_the_file_brings_the_texts_back(keep, path):
    """The file is its owner's alone, and grows by one line an id, however often that is used."""
    first = await keep(path)
    await first.claim(["hb-1", "hb-2"])
    await first.claim(["hb-2", "1001"])
    await first.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines == [{"number": number_of(text), "client_order_id": text} for text in ("hb-1", "hb-2")]
    again = await keep(path)
    assert [again.text_of(number_of(text)) for text in ("hb-1", "hb-2")] == ["hb-1", "hb-2"]


async def test_a_collision_is_noticed_across_restarts(keep, path):
    """What the file holds counts like what this process sent."""
    await (await keep(path)).claim([ONE])
    again = await keep(path)
    with pytest.raises(InvalidOrderError, match=f"stands for '{ONE}'"):
        await again.claim([OTHER])
    with pytest.raises(InvalidOrderError, match=f"stands for '{ONE}'"):
        await again.number_of(OTHER)


async def test_two_users_of_one_file_see_each_others_ids(keep, path):
    """Before they write, and when they look; a collision between them is noticed under the lock."""
    one, other = await keep(path), await keep(path)
    await one.claim([ONE])
    with pytest.raises(InvalidOrderError, match=f"stands for '{ONE}'"):
        await other.claim([OTHER])
    await one.claim(["hb-1"])
    await other.refresh()
    assert other.text_of(number_of("hb-1")) == "hb-1"
    await asyncio.gather(*(ids.claim(["hb-2", f"own-{number}"]) for number, ids in enumerate((one, other))))
    assert [json.loads(line)["client_order_id"] for line in path.read_text("utf-8").splitlines()].count("hb-2") == 1


async def test_a_line_cut_off_by_a_kill_is_left_out(keep, path, caplog):
    """Nothing was sent for it; what comes next starts on a line of its own."""
    await (await keep(path)).claim(["hb-1"])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"number":14')
    ids = await keep(path)
    assert ids.text_of(number_of("hb-1")) == "hb-1"
    with caplog.at_level(logging.WARNING):
        await ids.claim(["hb-2"])
    assert "unfinished last line is left out" in caplog.text
    assert [json.loads(line)["client_order_id"] for line in path.read_text("utf-8").splitlines()] == ["hb-1", "hb-2"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("no json", "can't be read"),
        ('{"number":1001,"client_order_id":"1001"}', "1001 is not the number"),
        ('{"number":140737488355400,"client_order_id":"hb-1"}', "is not the number of 'hb-1'"),
        ('{"number":140737488355400,"client_order_id":"a b"}', "does not match"),
    ],
)
async def test_a_line_that_perpkit_would_not_have_written_is_named(keep, path, line, problem):
    """An order might be taken for another by it."""
    await (await keep(path)).claim(["hb-0"])
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(ConfigError, match=f"line 2.*{re.escape(problem)}"):
        await keep(path)


async def test_a_file_that_can_not_be_opened_is_named(keep, tmp_path):
    """A folder is no file."""
    with pytest.raises(ConfigError, match=r"the file of client order ids .* can't be opened"):
        await keep(tmp_path)


async def test_an_id_that_can_not_be_written_is_not_sent(stub, path, monkeypatch):
    """A full disk: the venue hears nothing, the file stays whole, and plain numbers still go."""
    async with stub.open(client_ids=path) as venue:
        await venue.place_order(intent("hb-1"))
        before, written = path.read_bytes(), os.write

        def half(descriptor, data):
            if data[:10].tobytes() != b'{"number":':
                return written(descriptor, data)
            written(descriptor, bytes(data)[:20])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("perpkit.core.line_file.os.write", half)
        with pytest.raises(NotSentError, match=r"'hb-2' can't be written.*No space left on device"):
            await venue.place_order(intent("hb-2"))
        await venue.place_order(intent("1001"))
        monkeypatch.undo()
    assert path.read_bytes() == before
    assert [each.tx["ClientOrderIndex"] for each in stub.sent] == [number_of("hb-1"), 1001]


# Processes

CLAIMING = """
import asyncio, sys
from pathlib import Path
from perpkit.adapters.lighter.client_ids import ClientIds

async def main():
    ids = ClientIds(Path(sys.argv[1]))
    await ids.open()
    number = 0
    while True:
        name = f"{sys.argv[2]}-{number}"
        await ids.claim([name])
        print(name, flush=True)
        number += 1

asyncio.run(main())
"""


async def start(path, name):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLAIMING, str(path), name, stdout=asyncio.subprocess.PIPE
    )


async def test_what_a_killed_process_had_claimed_is_there_after_it(keep, path):
    """Two processes write to one file until both are killed: every id that either went on with is there."""
    running = [await start(path, name) for name in ("one", "two")]
    told = [await process.stdout.readline() for process in running for _ in range(20)]
    for process in running:
        process.send_signal(signal.SIGKILL)
    told += [line for process in running for line in (await process.stdout.read()).splitlines(keepends=True)]
    for process in running:
        await process.wait()
    names = {line.decode().strip() for line in told if line.endswith(b"\n")}
    assert len(names) >= 40
    ids = await keep(path)
    await ids.claim(["after"])
    assert {ids.text_of(number_of(name)) for name in names | {"after"}} == names | {"after"}


# Orders by the venue's interface


def shown(client_order_id, **changes):
    """What the venue's reads hold of an order of this id."""
    number = number_of(client_order_id)
    return {**ORDER, "client_order_index": number, "client_order_id": str(number), **changes}


async def test_orders_fills_and_history_bear_the_text_after_a_restart(stub, path):
    """By the file: no read knows more than the number."""
    async with stub.open(client_ids=path) as venue:
        placed = await venue.place_order(intent("hb-1"))
    assert placed.client_order_id == "hb-1"
    assert stub.sent[0].tx["ClientOrderIndex"] == number_of("hb-1")
    rows = {"code": 200, "orders": [shown("hb-1")], "next_cursor": ""}
    done = {**rows, "orders": [shown("hb-1", status="canceled")]}
    stub.say("GET /api/v1/accountActiveOrders", rows)
    stub.say("GET /api/v1/accountInactiveOrders", done)
    stub.say("GET /api/v1/accountOrders", rows)
    mine = {**TRADE, "ask_client_id": number_of("hb-1")}
    stub.say("GET /api/v1/trades", {"code": 200, "trades": [mine], "next_cursor": ""})
    async with stub.open(client_ids=path) as venue:
        found = [await venue.fetch_order(ref("hb-1")), *await venue.fetch_open_orders()]
        found += [*await venue.fetch_order_history(limit=1), *await venue.fetch_fills(limit=1)]
    assert [each.client_order_id for each in found] == ["hb-1"] * 4


async def test_without_a_file_an_order_is_still_found_by_its_text(stub):
    """Reads show its number until it has been asked for."""
    rows = {"code": 200, "orders": [shown("hb-1")], "next_cursor": ""}
    stub.say("GET /api/v1/accountActiveOrders", rows)
    stub.say("GET /api/v1/accountOrders", rows)
    async with stub.open() as venue:
        (before,) = await venue.fetch_open_orders()
        assert before.client_order_id == str(number_of("hb-1"))
        assert (await venue.fetch_order(ref("hb-1"))).client_order_id == "hb-1"
        (after,) = await venue.fetch_open_orders()
        assert after.client_order_id == "hb-1"
        assert stub.requests("GET /api/v1/accountOrders")[0].query["client_order_indexes"] == str(number_of("hb-1"))
        await venue.cancel_order(ref("hb-1"))
        # An order read before goes by the exchange's number, whatever it was shown as.
        await venue.cancel_order(before)
    assert [each.tx["Index"] for each in stub.sent] == [number_of("hb-1"), ORDER["order_index"]]


async def test_an_order_found_by_the_exchanges_number_teaches_its_text(stub):
    """A reference holds both; the row that is found shows that the text is its."""
    rows = {"code": 200, "orders": [shown("hb-1")], "next_cursor": ""}
    stub.say("GET /api/v1/accountActiveOrders", rows)
    stub.say("GET /api/v1/accountOrders", rows)
    both = OrderRef(market_id=ETH, venue_order_id=str(ORDER["order_index"]), client_order_id="hb-1")
    other = both.replace(client_order_id="hb-2")
    async with stub.open() as venue:
        assert (await venue.fetch_order(other)).client_order_id == str(number_of("hb-1"))
        assert (await venue.fetch_order(both)).client_order_id == "hb-1"


async def test_a_file_that_was_spoiled_stops_new_orders_and_nothing_else(stub, path, caplog):
    """Somebody writes into it: no order goes out that it can't hold, while cancels, reads and plain numbers do."""
    stub.say("GET /api/v1/accountActiveOrders", {"code": 200, "orders": [shown("hb-1")], "next_cursor": ""})
    async with stub.open(client_ids=path) as venue:
        await venue.place_order(intent("hb-1"))
        with path.open("a", encoding="utf-8") as file:
            file.write("spoiled\n")
        for _ in range(2):
            with pytest.raises(ConfigError, match="line 2 can't be read"):
                await venue.place_order(intent("hb-2"))
        with caplog.at_level(logging.WARNING):
            await venue.cancel_order(ref("hb-1"))
            (still,) = await venue.fetch_open_orders()
        assert still.client_order_id == "hb-1"
        assert "may show numbers as ids" in caplog.text
        await venue.place_order(intent("1001"))
    assert [each.form["tx_type"] for each in stub.sent] == ["14", "15", "14"]


async def test_a_closed_map_sends_nothing(keep, path):
    """What can't be written down any more is not sent; what is already there may be used again."""
    ids = await keep(path)
    await ids.claim(["hb-1"])
    await ids.close()
    await ids.claim(["hb-1", "1001"])
    with pytest.raises(NotSentError, match="is not open"):
        await ids.claim(["hb-2"])


async def test_a_text_that_was_asked_by_is_written_once_an_order_of_it_is_sent(keep, path):
    """A question alone writes nothing: the file holds what was sent."""
    ids = await keep(path)
    await ids.number_of("hb-1")
    assert path.read_text("utf-8") == ""
    await ids.claim(["hb-1"])
    assert json.loads(path.read_text("utf-8"))["client_order_id"] == "hb-1"


async def test_a_colliding_id_reaches_nothing_of_the_venue(stub):
    """No order, no cancel, no amendment, no question: the other one's order is safe."""
    async with stub.open() as venue:
        await venue.place_order(intent(ONE))
        asked = len(stub.asked)
        for attempt in (
            venue.place_order(intent(OTHER)),
            venue.place_orders([intent("hb-1"), intent(OTHER)]),
            venue.cancel_order(ref(OTHER)),
            venue.fetch_order(ref(OTHER)),
        ):
            with pytest.raises(InvalidOrderError, match=f"stands for '{ONE}'"):
                await attempt
        assert len(stub.asked) == asked
    assert [each.tx["ClientOrderIndex"] for each in stub.sent] == [number_of(ONE)]


async def test_an_unknown_text_is_not_found(stub):
    """The reads that were asked hold no order of its number."""
    nothing = {"code": 200, "orders": [], "next_cursor": ""}
    for name in ("accountOrders", "accountActiveOrders", "accountInactiveOrders"):
        stub.say(f"GET /api/v1/{name}", nothing)
    async with stub.open() as venue:
        with pytest.raises(OrderNotFoundError, match="no order hb-1"):
            await venue.fetch_order(ref("hb-1"))

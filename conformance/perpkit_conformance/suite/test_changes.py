"""What a venue changes without asking: new words, new fields, fields that are gone; and its documented errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from perpkit.core.errors import (
    DecodeError,
    OutcomeUnknownError,
    PerpkitError,
    TransportError,
    UnmappedVenueError,
    VenueError,
)
from perpkit.core.models import Channel, Model, Order, StreamState
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit_conformance.fixtures import has
from perpkit_conformance.suite.altering import Answer, Place, name_of, recorded
from perpkit_conformance.suite.calls import READS, Caller, Way, a_life
from perpkit_conformance.suite.channels import CHANNELS, LIVE, events_of, stir, topic
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.trading import Trader
from perpkit_conformance.target import Target

NEW = "A_WORD_OF_TOMORROW"

_WORD = re.compile(r"[A-Za-z][A-Za-z_]+")
_EACH = [
    pytest.param(hook, marks=pytest.mark.needs(hook), id=hook)
    for hook in READS
    # Whose answer is made of several requests.
    if hook != "check_health"
]
_WHOLE = (StreamState.LIVE, StreamState.RESYNCED)
_PUBLIC_ROWS = frozenset({"fetch_markets", "fetch_tickers", "fetch_trades", "fetch_funding_rates"})
"""Listings that inform. Of an account's own records none may be left out, so there an error is right."""


def _bare(model: Any) -> Any:
    """Return a model's values without the time at which it came."""
    return model.model_dump(exclude={"ts_received"}) if isinstance(model, Model) else model


def _listed(came: Any) -> list[Any]:
    return [_bare(each) for each in (came if isinstance(came, list) else [came])]


def _names(target: Target) -> frozenset[str]:
    """Return the words that are names and no values of an enum: currencies and parts of symbols."""
    specs = target.control.exchange.markets()
    return frozenset(name for each in specs for name in (each.symbol, each.base, each.quote, each.symbol.split("-")[0]))


def _words(answer: Answer, names: frozenset[str]) -> list[Place]:
    """Return where in the first row of an answer, or in an answer without rows, the value of an enum may stand."""
    rows = answer.rows()
    found = answer.texts(rows[0] if rows else ())
    return [place for place in found if _WORD.fullmatch(answer.at(place)) and answer.at(place) not in names]


async def _read(target: Target, venue: Venue, hook: str) -> tuple[Way, list[Any], Answer]:
    """Let there be something of everything, read it, and return how, what came, and the venue's answer."""
    if hook not in target.profile.http_faults:
        pytest.fail(f"the profile's http_faults name no request for {hook}")
    a_life(target)
    way = Caller(target, venue).reads[hook][0]
    _, answer = await recorded(target, hook, way, rows=True)
    # A hook may make several requests; from here on each of them is answered by this one answer.
    good = await answer.played(answer.changed(), way)
    assert not isinstance(good, PerpkitError), f"{hook}: the venue's own answer again came to {good!r}"
    return way, _listed(good), answer


# New words


@pytest.mark.rule("unknown-enum-values-survive")
@pytest.mark.parametrize("hook", _EACH)
async def test_a_new_word_spoils_no_other_row(target: Target, venue: Venue, hook: str) -> None:
    """
    Each word of a row in turn becomes one that nobody knows: the other rows come as before, and that one comes or is
    left out; of an account's own records, none of which may be missing, the whole may be an error that names the word.
    """
    way, good, answer = await _read(target, venue, hook)
    with Findings(target) as found:
        for place in _words(answer, _names(target)):
            what = f"{hook}, with {name_of(place)}={answer.at(place)!r} a new word"
            came = await answer.played(answer.changed((place, NEW)), way)
            if not isinstance(came, PerpkitError):
                _hold_rest(found, good, _listed(came), what)
            elif hook not in _PUBLIC_ROWS:
                told = isinstance(came, DecodeError) and (NEW in str(came) or name_of(place) in str(came))
                found.true(told, f"{what}: a DecodeError with the word or its field is due, came {came!r}")
            else:
                found.true(False, f"{what}: one row spoiled the answer: {came!r}")


def _hold_rest(found: Findings, good: list[Any], came: list[Any], what: str) -> None:
    """Note it when more than one model differs, or one came that was not there."""
    left = list(came)
    missing = []
    for each in good:
        if each in left:
            left.remove(each)
        else:
            missing.append(each)
    found.true(len(missing) <= 1, f"{what}: {len(missing)} of {len(good)} rows are not as before")
    found.true(len(left) <= len(missing), f"{what}: came what was not there: {left[:2]}")


@pytest.mark.rule("unknown-enum-values-survive")
@pytest.mark.needs("open_stream")
@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_new_word_ends_no_stream(trader: Trader, channel: Channel) -> None:
    """
    Frames in which each word in turn is a new one: the next frame's event comes all the same. For a private frame or
    a book a plugin may connect anew and read what it missed, once for each; for other public ones the connection stays.
    """
    target = trader.target
    async with target.watch(trader.venue, topic(trader, channel)) as watch:
        bodies = await _new_words(trader, channel, watch)
        for body in bodies:
            # While it connects anew nothing is sent to it that could be altered.
            await watch.until(lambda: watch.states[-1] in _WHOLE, "the stream is whole")
            fault = target.inject(channel, FaultAction.REPLACE, body=body)
            stir(trader)
            await target.until(lambda fault=fault: fault.hits, "the frame with a new word", within=LIVE)  # type: ignore[misc]
            before = len(events_of(watch, channel))
            stir(trader)
            await watch.until(
                lambda before=before: len(events_of(watch, channel)) > before,  # type: ignore[misc]
                f"an event of {channel} after the frame {body[:300]}",
                within=LIVE,
            )
        allowed = len(bodies) if channel.is_private or channel is Channel.BOOK else 0
        lost = watch.states.count(StreamState.LOST)
        assert lost <= allowed, f"{len(bodies)} frames with a new word, and the connection was lost {lost} times"


async def _new_words(trader: Trader, channel: Channel, watch: Any) -> list[str]:
    """Return the channel's last frame with each of its words in turn replaced."""
    target = trader.target
    seen = len(target.recordings.received_frames())
    marked = target.inject(channel, FaultAction.EXTRA_FIELDS, times=None)
    stir(trader)
    await watch.until(lambda: events_of(watch, channel), f"an event of {channel}", within=LIVE)
    await target.until(lambda: marked.hits, f"a frame of {channel}", within=LIVE)
    await target.breathe(10)
    target.control.faults.remove(marked.id)
    # What nobody knows is in the channel's own frames and in no answer to a call.
    frames = [each for each in target.recordings.received_frames()[seen:] if "perpkit_unknown" in str(each.data)]
    assert frames, f"no frame of {channel} was received"
    answer = Answer(target, str(channel), bytes(str(frames[-1].data), "utf-8"))
    names = _names(target) | {"x", "subscription"}
    words = [each for each in answer.texts() if _WORD.fullmatch(answer.at(each)) and answer.at(each) not in names]
    return [answer.changed((place, NEW)) for place in words]


@pytest.mark.rule("unknown-enum-values-survive")
@pytest.mark.needs("fetch_open_orders", "place_order")
async def test_no_new_word_makes_a_standing_order_look_over(trader: Trader) -> None:
    """Whatever word of a standing order is replaced: it is not missing, and not called filled, canceled or rejected."""
    order = await trader.place()
    good, answer = await recorded(trader.target, "fetch_open_orders", trader.venue.fetch_open_orders)
    assert [each.venue_order_id for each in good] == [order.venue_order_id]
    with Findings(trader.target) as found:
        for place in _words(answer, _names(trader.target)):
            came = await answer.played(answer.changed((place, NEW)), trader.venue.fetch_open_orders)
            what = f"with {name_of(place)} a new word an order that stands"
            if isinstance(came, list):
                found.true(len(came) == len(good), f"{what} is not among the open ones, and no error was raised")
            for each in came if isinstance(came, list) else []:
                found.true(not each.is_terminal, f"{what} is called {each.status}")


# New fields, and fields that are gone


@pytest.mark.rule("schema-changes-survive")
@pytest.mark.parametrize("hook", _EACH)
async def test_fields_that_nobody_knows_change_nothing(target: Target, venue: Venue, hook: str) -> None:
    """Text, number and null in every object of the answer: the same models come."""
    a_life(target)
    caller = Caller(target, venue)
    way = caller.reads[hook][0]
    good = _listed(await caller.answer(way))
    fault = target.inject(hook, FaultAction.EXTRA_FIELDS, times=None)
    came = await caller.attempt(way)
    assert fault.hits, f"the profile's http_faults for {hook} met no request"
    assert not isinstance(came, PerpkitError), f"{hook}, with fields more in its answer: {came!r}"
    assert _listed(came) == good, f"{hook}, with fields more in its answer: expected {good}, came {came!r}"


@pytest.mark.rule("schema-changes-survive")
@pytest.mark.needs("open_stream")
@pytest.mark.parametrize("channel", CHANNELS)
async def test_frames_with_fields_that_nobody_knows_are_read(trader: Trader, channel: Channel) -> None:
    """The same for every frame of a channel: its events come, and the connection stays."""
    fault = trader.target.inject(channel, FaultAction.EXTRA_FIELDS, times=None)
    async with trader.target.watch(trader.venue, topic(trader, channel)) as watch:
        before = len(events_of(watch, channel))
        stir(trader)
        await watch.until(lambda: len(events_of(watch, channel)) > before, f"an event of {channel}", within=LIVE)
        assert fault.hits, f"the profile's frame_faults for {channel} met no frame"
        assert StreamState.LOST not in watch.states, f"unknown fields ended the connection: {watch.states}"


@pytest.mark.rule("schema-changes-survive")
@pytest.mark.parametrize("hook", _EACH)
async def test_a_field_that_is_gone_is_none_or_an_error_that_names_it(target: Target, venue: Venue, hook: str) -> None:
    """Each field of a row in turn is absent: a DecodeError that names it, or what came of it is None; never made up."""
    way, good, answer = await _read(target, venue, hook)
    rows = answer.rows()
    with Findings(target) as found:
        for place in _fields(answer, rows[0] if rows else ()):
            what = f"{hook}, without {name_of(place)}"
            came = await answer.played(answer.without(place), way)
            if isinstance(came, PerpkitError):
                told = isinstance(came, DecodeError) and name_of(place) in str(came)
                found.true(told, f"{what}: a DecodeError that names it is due, came {came!r}")
            else:
                absent_is_zero = name_of(place) in target.profile.zero_when_absent
                _hold_absence(found, good, _listed(came), what, _ZERO_TOO if absent_is_zero else _NOTHING)


def _fields(answer: Answer, row: Place) -> Iterable[Place]:
    value = answer.at(row)
    return [(*row, key) for key in (value if isinstance(value, dict) else ())]


def _hold_absence(found: Findings, good: list[Any], came: list[Any], what: str, nothing: tuple[object, ...]) -> None:
    """Note a row that changed into something else than itself with less in it."""
    changed = [each for each in came if each not in good]
    missing = [each for each in good if each not in came]
    found.true(len(changed) <= 1, f"{what}: {len(changed)} rows changed")
    if len(came) < len(good):
        # A listing may leave out what it can't read; what stands or was paid must not vanish.
        lost = len(good) - len(came)
        kept = what.partition(",")[0] in _LISTINGS
        found.true(kept and lost == 1, f"{what}: {lost} of {len(good)} rows vanished, and no error was raised")
        return
    for before, after in zip(missing, changed, strict=False):
        for name, value in _differing(before, after):
            found.true(value in nothing, f"{what}: {name} was {before.get(name)!r} and came as {value!r}, made up")


_LISTINGS = _PUBLIC_ROWS | {"fetch_fees", "fetch_funding_history"}
_NOTHING = (None, "", (), [], {}, "unknown", "other")
"""What a model may hold where the venue told nothing."""
_ZERO_TOO = (*_NOTHING, Decimal(0))


def _differing(before: Any, after: Any) -> list[tuple[str, Any]]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    return [(name, value) for name, value in after.items() if before.get(name) != value]


@pytest.mark.rule("schema-changes-survive")
@pytest.mark.parametrize("hook", _EACH)
async def test_an_answer_under_another_key_is_no_empty_answer(target: Target, venue: Venue, hook: str) -> None:
    """The key that holds the rows is called something else now: a DecodeError, never nothing."""
    way, good, answer = await _read(target, venue, hook)
    rows = answer.rows()
    if not rows or not good or hook in _SINGLE:
        return  # one object; its fields are the test above
    holder = rows[0][:-1]
    for depth in range(len(holder)):
        place = holder[: depth + 1]
        if not isinstance(place[-1], str):
            continue
        came = await answer.played(_renamed(answer, place), way)
        told = isinstance(came, DecodeError)
        assert told, f"{hook}, with {name_of(place)} under another name: a DecodeError is due, came {came!r}"


_SINGLE = frozenset({"fetch_ticker", "fetch_account"})
"""Reads of one thing: a list inside its answer is not of rows."""


def _renamed(answer: Answer, place: Place) -> str:
    parent = answer.at(place[:-1])
    renamed = {("items_of_tomorrow" if key == place[-1] else key): value for key, value in parent.items()}
    return answer.changed((place[:-1], renamed))


# Errors


@pytest.fixture
def replies(request: pytest.FixtureRequest, target: Target) -> dict[str, tuple[int, str]]:
    """Status and body of each error that the venue documents, by its code."""
    found = dict(target.profile.error_replies())
    has(request, "error_codes", found)
    return found


def _private_read(venue: Venue) -> str:
    hooks = ("fetch_balances", "fetch_account", "fetch_positions", "fetch_open_orders", "fetch_markets")
    return next(each for each in hooks if each in venue.capabilities.hooks)


@pytest.mark.rule("venue-errors-are-mapped")
async def test_every_documented_error_of_a_read_has_its_class(
    target: Target, venue: Venue, replies: dict[str, tuple[int, str]]
) -> None:
    """None is unmapped, each keeps the venue's code and words, and has the class that its meaning asks for."""
    hook, caller = _private_read(venue), Caller(target, venue)
    await caller.answer(caller.reads[hook][0])
    with Findings(target) as found:
        for code, reply in replies.items():
            came = await _refused(target, hook, reply, lambda: caller.attempt(caller.reads[hook][0]))
            _hold_error(found, code, reply[1], came, hook)


@pytest.mark.rule("venue-errors-are-mapped")
@pytest.mark.needs("place_order")
async def test_every_documented_error_of_an_order_has_its_class(
    target: Target, trader: Trader, replies: dict[str, tuple[int, str]]
) -> None:
    """The same in answer to an order, where what may have been taken is unknown; and the order is not repeated."""
    await trader.place()
    with Findings(target) as found:
        for code, reply in replies.items():
            before = len(target.recordings.requests())
            came = await _refused(target, "place_order", reply, lambda: trader.attempt(trader.intent()))
            found.true(not isinstance(came, Order), f"{code}: the venue refused the order, came {came!r}")
            if not isinstance(came, OutcomeUnknownError):
                _hold_error(found, code, reply[1], came, "place_order")
            sent = [each for each in target.recordings.requests()[before:] if each.operation == "place_order"]
            found.true(len(sent) <= 2, f"{code}: the order was sent {len(sent)} times")


async def _refused(target: Target, hook: str, reply: tuple[int, str], call: Callable[[], Any]) -> Any:
    status, body = reply
    fault = target.inject(hook, FaultAction.STATUS, status=status, body=body, times=None)
    came = await call()
    target.control.faults.remove(fault.id)
    assert fault.hits, f"the profile's http_faults for {hook} met no request"
    return came


def _hold_error(found: Findings, code: str, body: str, came: Any, hook: str) -> None:
    what = f"{hook} refused with {code}"
    if not isinstance(came, VenueError | TransportError) and not _is_about_us(came):
        found.true(False, f"{what}: an error of the venue is due, came {came!r}")
        return
    found.true(not isinstance(came, UnmappedVenueError), f"{what}: the plugin's table does not hold the code")
    kept = str(getattr(came, "code", None)) == code or code in str(came)
    found.true(kept, f"{what}: the venue's code is lost: {came!r}")
    for text in _said(body, code):
        found.true(text in str(came), f"{what}: the venue's words {text!r} are lost: {came}")
    wanted = found.target.profile.error_classes().get(code)
    if wanted is not None:
        found.true(isinstance(came, wanted), f"{what}: it means {wanted.__name__}, came {came!r}")


def _is_about_us(error: Any) -> bool:
    """Tell whether it is an error that needs no code of a venue, such as an unknown market."""
    return isinstance(error, PerpkitError) and not isinstance(error, DecodeError)


def _said(body: str, code: str) -> list[str]:
    """Return the sentences of an error's body."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict | list):
            for each in value.values() if isinstance(value, dict) else value:
                look(each)
        elif isinstance(value, str) and " " in value and value != code:
            found.append(value)

    look(msgspec.json.decode(body))
    return found


@pytest.mark.rule("venue-errors-are-mapped")
async def test_an_error_that_is_not_documented_keeps_its_code_and_words(
    target: Target, venue: Venue, replies: dict[str, tuple[int, str]]
) -> None:
    """A code that the venue adds tomorrow: an error that says so, with code and words; never an empty answer."""
    code, (_, body) = next(iter(replies.items()))
    new = "987654321" if code.lstrip("-").isdigit() else "CODE_OF_TOMORROW"
    hook, caller = _private_read(venue), Caller(target, venue)
    await caller.answer(caller.reads[hook][0])
    reply = 400, body.replace(code, new)
    came = await _refused(target, hook, reply, lambda: caller.attempt(caller.reads[hook][0]))
    assert isinstance(came, VenueError), f"a code that nobody knows: an error of the venue is due, came {came!r}"
    assert str(came.code) == new, f"the venue's code {new} came as {came.code!r}"
    for text in _said(reply[1], new):
        assert text in str(came), f"the venue's words {text!r} are lost: {came}"

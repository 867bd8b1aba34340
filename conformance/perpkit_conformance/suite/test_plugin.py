"""The plugin as such: its source, its registration, its claims, and that it does what it says at all."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable
from datetime import datetime
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from pydantic import ValidationError

from perpkit.core.capabilities import VenueDescription
from perpkit.core.errors import CapabilityError, PerpkitError
from perpkit.core.hookspecs import Hooks
from perpkit.core.models import Channel, Model
from perpkit.core.venue import Venue
from perpkit_conformance import static
from perpkit_conformance.blocking import blocking_noted
from perpkit_conformance.claims import claims_of
from perpkit_conformance.fixtures import prove
from perpkit_conformance.profile import VenueProfile
from perpkit_conformance.suite.calls import COMMANDS, READS, Caller, a_life
from perpkit_conformance.target import Target


def _each(hooks: Iterable[str]) -> list[Any]:
    return [pytest.param(hook, marks=pytest.mark.needs(hook), id=hook) for hook in hooks]


def _none(findings: Iterable[object]) -> None:
    found = list(findings)
    assert not found, "\n".join(map(str, found))


# The source


@pytest.fixture
def sources(venue_profile: VenueProfile, plugin_class: Any) -> list[static.Source]:
    """The plugin's source."""
    found = static.sources_of(plugin_class, venue_profile.package)
    assert found, f"the source of {plugin_class!r} can't be read"
    return found


@pytest.mark.rule("imports-clean")
def test_importing_it_is_quick_and_quiet(venue_profile: VenueProfile) -> None:
    """In a process of its own, with the network cut off, it imports in little time and starts nothing."""
    try:
        plugin = venue_profile.plugin_class()
    except PerpkitError as error:
        pytest.fail(str(error))
    name = "" if "<locals>" in plugin.__qualname__ else plugin.__qualname__.partition(".")[0]
    _none(static.import_apart(plugin.__module__, name).problems())


@pytest.mark.rule("hooks-register")
def test_it_registers_and_describes_itself(venue_profile: VenueProfile) -> None:
    """Made from a context it registers with every hook known, and says what it is, without I/O."""
    try:
        described = venue_profile.describe()
    except PerpkitError as error:
        pytest.fail(str(error))
    assert described.name == venue_profile.name


@pytest.mark.rule("hooks-are-async")
def test_its_source_calls_nothing_that_blocks(sources: list[static.Source]) -> None:
    """No synchronous HTTP anywhere, and no sleeping in a coroutine."""
    _none(static.blocking_calls(sources))


@pytest.mark.rule("hooks-are-async")
async def test_no_hook_blocks_the_event_loop(target: Target, venue: Venue) -> None:
    """While every hook is called, nothing sleeps, looks up a name or uses a blocking socket in the loop's thread."""
    a_life(target)
    caller = Caller(target, venue)
    blamed = []
    for hook in (*READS, *COMMANDS):
        if hook in venue.capabilities.hooks:
            with blocking_noted() as noted:
                await caller.attempt(caller.ways(hook)[0])
            blamed += [f"{hook} blocks the event loop: {each}" for each in dict.fromkeys(noted)]
    _none(blamed)


@pytest.mark.rule("no-placeholders")
def test_no_hook_is_empty_or_a_constant(plugin_class: Any) -> None:
    """Read as source, every hook can do what it is for."""
    _none(static.placeholders(plugin_class))


@pytest.mark.rule("no-placeholders")
@pytest.mark.parametrize("hook", _each((*READS, *COMMANDS)))
async def test_every_hook_asks_the_venue(target: Target, venue: Venue, hook: str) -> None:
    """A hook that answers without a request or a frame made its answer up."""
    a_life(target)
    caller = Caller(target, venue)
    await target.run(venue.market(target.market))
    order = await caller.attempt(caller.placed) if hook in COMMANDS else None
    before = len(target.recordings)
    if hook == "fetch_order" and order is not None and not isinstance(order, PerpkitError):
        # The face may know a fresh order by itself; the hook is asked for the venue's word.
        answer = await caller.attempt(lambda: venue.fetch_order(order))
    else:
        answer = await caller.attempt(caller.ways(hook)[0])
    if isinstance(answer, CapabilityError):
        pytest.fail(f"{hook} is claimed, and {answer}")
    assert len(target.recordings) > before, f"{hook} answered {answer!r} without asking the venue"


@pytest.mark.rule("no-float-in-code")
def test_its_source_makes_no_floats(sources: list[static.Source]) -> None:
    """Nothing in its source loses digits."""
    _none(static.floats(sources))


@pytest.mark.rule("nothing-frozen-at-import")
def test_nothing_is_taken_from_clock_or_chance_at_import(sources: list[static.Source]) -> None:
    """No default and no class attribute was computed once for ever."""
    _none(static.frozen_at_import(sources))


@pytest.mark.rule("no-code-from-the-wire")
def test_it_makes_no_code_of_data(sources: list[static.Source]) -> None:
    """Nothing in its source evaluates or unpickles."""
    _none(static.code_from_data(sources))


# Opening


@pytest.mark.rule("opens-and-closes")
async def test_making_it_sends_nothing(target: Target) -> None:
    """The constructor does no I/O: nothing arrives before it is opened."""
    target.make()
    await target.breathe()
    assert not target.arrivals.requests
    assert not target.arrivals.handshakes


@pytest.mark.rule("opens-and-closes")
async def test_closing_leaves_nothing_behind(target: Target) -> None:
    """After a read and a stream, closing ends every task and every connection."""
    target.quote()
    loop, complaints = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    before = asyncio.all_tasks()
    venue = target.make()
    try:
        await target.run(venue.__aenter__())
        await target.run(venue.fetch_markets())
        if Channel.TRADES in venue.capabilities.channels:
            async with target.watch(venue, f"trades:{target.market}", live=False):
                await target.breathe()
    except PerpkitError as error:
        pytest.fail(f"it does not open: {error}")
    finally:
        await target.run(venue.close())
    server = {task for task in asyncio.all_tasks() - before if "perpkit" in task.get_name()}
    await target.until(lambda: all(task.done() for task in server), "every task of the venue ends")
    del venue
    gc.collect()
    assert not complaints, complaints


# What it says and what it does


@pytest.mark.rule("claims-match-code")
def test_it_does_not_claim_what_the_venue_does_not_have(
    venue_profile: VenueProfile, description: VenueDescription
) -> None:
    """A claim of something that the venue itself has nothing for can't be true."""
    _none(
        f"{claim} is claimed, and {venue_profile.not_offered[claim]}"
        for claim in sorted(claims_of(description.capabilities) & set(venue_profile.not_offered))
    )


_GOES_WITH = (
    ("place_order", "order_types", "the types of order"),
    ("open_stream", "channels", "the channels"),
    ("fetch_candles", "candle_intervals", "the intervals of candles"),
    ("set_margin_mode", "margin_modes", "the margin modes"),
    ("fetch_funding_rates", "funding_accrual", "how funding accrues"),
)


@pytest.mark.rule("claims-match-code")
@pytest.mark.parametrize(("hook", "field", "what"), [pytest.param(*each, id=each[0]) for each in _GOES_WITH])
def test_a_hook_comes_with_its_details(description: VenueDescription, hook: str, field: str, what: str) -> None:
    """A claimed hook says what it takes; users choose by it."""
    if hook in description.capabilities.hooks:
        assert getattr(description.capabilities, field), f"{hook} is implemented, but {what} ({field}) are not claimed"


@pytest.mark.rule("claims-match-code")
@pytest.mark.needs("fetch_funding_rates")
async def test_funding_accrues_as_claimed(request: pytest.FixtureRequest, target: Target, venue: Venue) -> None:
    """Where every market of the exchange accrues funding the same way, that is the way that is claimed."""
    ways = {each.funding_accrual for each in target.control.exchange.markets()}
    claimed = venue.capabilities.funding_accrual
    if claimed is not None:
        prove(request, f"funding:{claimed.value}")
    assert len(ways) > 1 or claimed in ways, f"{claimed} is claimed, and the exchange has {ways}"


@pytest.mark.rule("claims-match-code")
async def test_what_is_not_implemented_is_refused_and_sends_nothing(target: Target, venue: Venue) -> None:
    """Each missing hook raises CapabilityError, and no request goes out for it."""
    caller = Caller(target, venue)
    await target.run(venue.market(target.market))
    for hook in (*READS, "place_order", "place_orders", "cancel_all_orders", *COMMANDS[7:]):
        if hook not in venue.capabilities.hooks:
            before = len(target.recordings)
            answer = await caller.attempt(caller.ways(hook)[0])
            assert isinstance(answer, CapabilityError), f"{hook} is not implemented, and answered {answer!r}"
            assert len(target.recordings) == before, f"{hook} is not implemented, and sent something"


@pytest.mark.rule("answers-have-their-type")
@pytest.mark.parametrize("hook", _each((*READS, *COMMANDS)))
async def test_every_answer_has_its_type(target: Target, venue: Venue, hook: str) -> None:
    """Each hook answers with the models that its specification names."""
    a_life(target)
    caller = Caller(target, venue)
    wanted = get_args(get_type_hints(getattr(Hooks, hook))["return"])[0]
    answer = await caller.attempt(caller.ways(hook)[0])
    if isinstance(answer, PerpkitError):
        # Whether it should have been refused is another rule's question.
        return
    assert _fits(answer, wanted), f"{hook} answered {answer!r}; {wanted} is due"


def _fits(value: Any, wanted: Any) -> bool:
    origin = get_origin(wanted)
    if origin is list:
        return isinstance(value, list) and all(_fits(each, get_args(wanted)[0]) for each in value)
    if origin is not None:
        return any(_fits(value, each) for each in get_args(wanted))
    return value is None if wanted in {None, type(None)} else isinstance(value, wanted)


@pytest.mark.rule("models-hold-no-float")
@pytest.mark.parametrize("hook", _each((*READS, "place_order", "fetch_order")))
async def test_every_model_is_exact_frozen_and_can_be_written(target: Target, venue: Venue, hook: str) -> None:
    """No float anywhere in an answer, every time aware, nothing to be changed, and JSON gives the same model back."""
    a_life(target)
    caller = Caller(target, venue)
    answer = await caller.attempt(caller.ways(hook)[0])
    for model in answer if isinstance(answer, list) else [answer]:
        if isinstance(model, Model):
            _none(_inexact(model.model_dump(), type(model).__name__))
            assert type(model).model_validate_json(model.model_dump_json()) == model
            field = next(iter(type(model).model_fields))
            with pytest.raises(ValidationError):
                setattr(model, field, getattr(model, field))


def _inexact(value: Any, where: str) -> Iterable[str]:
    if isinstance(value, float):
        yield f"{where} is the float {value!r}"
    elif isinstance(value, datetime) and value.tzinfo is None:
        yield f"{where} is {value!r}, without a time zone"
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _inexact(inner, f"{where}.{name}")
    elif isinstance(value, list | tuple | set | frozenset):
        for number, inner in enumerate(value):
            yield from _inexact(inner, f"{where}[{number}]")

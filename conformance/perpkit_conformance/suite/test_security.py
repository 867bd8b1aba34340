"""Secrets, redirects, attribution, and safety calls that mean what they say."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import traceback
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from perpkit.core.context import VenueContext
from perpkit.core.errors import PerpkitError
from perpkit.core.models import Channel
from perpkit.core.transport.recorder import FrameRecord, ReplyRecord, RequestRecord
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit.sim.markets import SystemStatus
from perpkit_conformance.fixtures import published
from perpkit_conformance.suite.calls import COMMANDS, READS, Caller, a_life
from perpkit_conformance.suite.trading import Trader, opened_with
from perpkit_conformance.target import Target


class Canaries:
    """Everything secret of a run, in each spelling in which it could be seen."""

    def __init__(self, target: Target) -> None:
        self._forms: dict[str, str] = {}
        for number, secret in enumerate(target.profile.secrets(target.local)):
            self.add(secret, f"secret number {number} of the profile")

    def add(self, secret: str, name: str) -> None:
        """Watch for one more."""
        forms = {secret, secret.removeprefix("0x")}
        try:
            forms.add(str(int(secret, 16)))
        except ValueError:
            # A token: its last part is what nobody else may know.
            forms.add(secret.rsplit(".", 1)[-1])
        self._forms |= {form.lower(): name for form in forms if len(form) >= 12}

    def check(self, texts: Iterable[str], where: str) -> None:
        """Fail where one of them is seen."""
        for text in texts:
            lowered = text.lower()
            for form, name in self._forms.items():
                assert form not in lowered, f"{where} shows {name}: …{text[: max(lowered.index(form), 0)][-60:]}***"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every record of every logger."""
    caplog.set_level(logging.DEBUG)
    for name in ("asyncio", "aiohttp", "aiohttp.client", "perpkit"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.fixture
def canaries(target: Target, monkeypatch: pytest.MonkeyPatch) -> Canaries:
    """The profile's secrets, and every token that the exchange hands out in an answer."""
    found = Canaries(target)
    real = web.Response.__init__

    def watched(self: web.Response, *given: Any, **more: Any) -> None:
        real(self, *given, **more)
        for token in _tokens(self.text or ""):
            found.add(token, "a session token")

    monkeypatch.setattr(web.Response, "__init__", watched)
    return found


def _tokens(text: str) -> Iterable[str]:
    """Give whatever is called a token in an answer."""
    try:
        answer = json.loads(text)
    except ValueError:
        return
    if isinstance(answer, dict):
        for name, value in answer.items():
            if isinstance(value, str) and len(value) > 20 and ("token" in name.lower() or "jwt" in name.lower()):
                yield value


def _words(error: BaseException) -> Iterable[str]:
    """Give all that an error shows."""
    yield from (str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error)))
    if isinstance(error, PerpkitError):
        yield repr(pickle.dumps(error))


def _check_log(canaries: Canaries, logged: pytest.LogCaptureFixture) -> None:
    for record in logged.records:
        canaries.check([record.getMessage(), repr(record.args)], f"a log record of {record.name}")
        if record.exc_info and record.exc_info[1] is not None:
            canaries.check(_words(record.exc_info[1]), f"an exception logged by {record.name}")


def _check_recordings(canaries: Canaries, target: Target) -> None:
    for record in target.recordings:
        canaries.check([repr(record)], f"a recording ({type(record).__name__})")


@pytest.mark.rule("secrets-stay-hidden")
async def test_an_ordinary_session_shows_no_secret(
    target: Target, canaries: Canaries, logged: pytest.LogCaptureFixture
) -> None:
    """Every hook and a stream: reprs, logs, recordings and models are clean, with each kind of credential."""
    a_life(target)
    for key in target.profile.key_kinds():
        target.advance(timedelta(seconds=1))
        made: list[Any] = []

        def make(context: VenueContext, made: list[Any] = made) -> Any:
            made.append(target.profile.plugin_class()(context))
            return made[-1]

        venue = await target.open(key=key, plugin=make)
        caller = Caller(target, venue)
        shown: list[str] = [repr(venue), str(venue), repr(vars(venue)), repr(venue.description)]
        # The plugin itself, and whatever it holds, as a debugger or a careless f-string shows it.
        shown += [
            text for plugin in made for text in (repr(plugin), str(plugin), repr(getattr(plugin, "__dict__", "")))
        ]
        for hook in (*READS, *COMMANDS):
            if hook in venue.capabilities.hooks:
                came = await caller.attempt(caller.ways(hook)[0])
                shown += list(_words(came)) if isinstance(came, BaseException) else [repr(came)]
        if Channel.ORDERS in venue.capabilities.channels:
            async with target.watch(venue, "orders") as watch:
                shown += [repr(each) for each in watch.events]
        canaries.check(shown, f"credential {key}: what a caller sees")
    _check_recordings(canaries, target)
    _check_log(canaries, logged)
    assert len(target.recordings) > 5, "nothing was recorded: this proves nothing"


@pytest.mark.rule("secrets-stay-hidden")
async def test_a_session_in_which_everything_fails_shows_no_secret(
    target: Target, canaries: Canaries, logged: pytest.LogCaptureFixture
) -> None:
    """Refused sign-ins, expired tokens, answers that echo the request, lost connections: every error is clean."""
    secret = next(iter(target.profile.secrets(target.local)))
    echo = json.dumps({"error": "INVALID", "message": f"you sent {secret} and I say it aloud", "data": secret})
    faults: list[dict[str, Any]] = [
        {"action": "status", "status": 400, "body": echo},
        {"action": "status", "status": 401, "body": echo},
        {"action": "status", "status": 500, "body": echo},
        {"action": "html", "status": 502, "body": f"<html>{secret}</html>"},
        {"action": "replace", "body": echo},
        {"action": "drop_before"},
        {"action": "expire_tokens"},
    ]
    for fault in faults:
        venue = await target.open()
        caller = Caller(target, venue)
        # Part of the way works, so that there is something to show.
        for skip in (0, 3):
            target.control.inject(match="*", times=None, skip=skip, **fault)
            hook = next(each for each in ("fetch_balances", "fetch_account", "fetch_markets") if venue.supports(each))
            came = await caller.attempt(caller.reads[hook][0])
            if isinstance(came, BaseException):
                canaries.check(_words(came), f"{fault['action']} {fault.get('status', '')}: the error")
            if venue.supports("place_order"):
                came = await caller.attempt(caller.commands["place_order"][0])
                if isinstance(came, BaseException):
                    canaries.check(_words(came), f"{fault['action']} {fault.get('status', '')}: the order's error")
            target.control.clear_faults()
        target.advance(timedelta(seconds=1))
    _check_recordings(canaries, target)
    _check_log(canaries, logged)


@pytest.mark.rule("secrets-stay-hidden")
async def test_malformed_credentials_are_not_echoed(target: Target, logged: pytest.LogCaptureFixture) -> None:
    """What is refused may be a key with a typing error: the message does not repeat it."""
    good = target.profile.settings(target.local)
    for what, settings in target.profile.bad_settings(target.local).items():
        wrong = [str(value) for name, value in settings.items() if value != good.get(name) and len(str(value)) >= 12]
        try:
            async with opened_with(target, settings) as venue:
                await target.run(venue.fetch_balances())
        except PerpkitError as error:
            for text in _words(error):
                # The trace quotes our own source, where it does not stand; the rest must not hold it either.
                assert not any(value in text for value in wrong), f"{what}: the error repeats the credential"
    for record in logged.records:
        assert not any(value in record.getMessage() for value in wrong)


# Redirects


class _Elsewhere:
    """Another host, which writes down what it is sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> _Elsewhere:
        async def note(request: web.Request) -> web.Response:
            self.requests.append((request.path, dict(request.headers), await request.read()))
            return web.json_response({})

        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", note)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


@pytest.mark.rule("no-auth-across-redirects")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed(
    monkeypatch: pytest.MonkeyPatch, target: Target, venue: Venue, status: int
) -> None:
    """Every request is answered with a redirect to another host: an error each time, and nobody comes there."""
    caller = Caller(target, venue)
    hooks = [
        each for each in ("fetch_balances", "fetch_ticker", "place_order", "cancel_all_orders") if venue.supports(each)
    ]
    await target.run(venue.fetch_markets())
    async with _Elsewhere() as elsewhere:
        real = web.Response.__init__

        def redirecting(self: web.Response, *given: Any, **more: Any) -> None:
            # The planned fault's answer, and it alone, becomes a redirect.
            if more.get("status") == status:
                more["headers"] = {**(more.get("headers") or {}), "Location": f"{elsewhere.url}/stolen"}
            real(self, *given, **more)

        monkeypatch.setattr(web.Response, "__init__", redirecting)
        target.control.inject(FaultAction.STATUS, match="*", status=status, times=None)
        for hook in hooks:
            came = await caller.attempt(caller.ways(hook)[0])
            assert isinstance(came, PerpkitError), f"{hook}: a redirect came to {came!r}"
        target.control.clear_faults()
        assert not elsewhere.requests, (
            f"{len(elsewhere.requests)} requests followed the redirect: {elsewhere.requests[0]}"
        )


@pytest.mark.rule("no-auth-across-redirects")
async def test_everything_goes_to_the_venues_own_hosts(target: Target, venue: Venue) -> None:
    """Every hook and a stream: no request and no frame to any other host."""
    a_life(target)
    caller = Caller(target, venue)
    for hook in (*READS, *COMMANDS):
        if hook in venue.capabilities.hooks:
            await caller.attempt(caller.ways(hook)[0])
    channel = next((each for each in Channel if each in venue.capabilities.channels), None)
    if channel is not None:
        name = channel.value if channel.is_private else f"{channel}:{target.market}"
        async with target.watch(venue, name):
            await target.breathe()
    own = (target.local.url, target.local.ws_url)
    for record in target.recordings:
        request = record.request if isinstance(record, ReplyRecord) else record
        assert isinstance(request, RequestRecord | FrameRecord)
        assert request.url.startswith(own), f"something went to {request.url}; the venue is at {own}"


# Attribution


_ATTRIBUTION = ("referr", "affiliate", "builder", "broker", "integrator", "partner", "campaign", "utm_", "on_behalf")


def _names(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


@pytest.mark.rule("no-silent-attribution")
async def test_nobody_is_credited_unasked(target: Target, venue: Venue) -> None:
    """No request and no frame has a field, parameter or header for a referral, a builder or an integrator."""
    a_life(target)
    caller = Caller(target, venue)
    for hook in (*READS, *COMMANDS):
        if hook in venue.capabilities.hooks:
            for way in caller.ways(hook):
                await caller.attempt(way)
    bodies: list[bytes | str] = [each.data for each in target.recordings.sent_frames()]
    for request in target.recordings.requests():
        names = [*(name for name, _ in request.params), *(name for name, _ in request.headers)]
        found = [name for name in names if name.lower() != "referer" and _credits(name)]
        assert not found, f"{request.method} {request.path} sends {found}, which nobody asked for"
        bodies += [request.body] if request.body else []
    for body in bodies:
        try:
            tree = json.loads(body)
        except ValueError:
            continue
        found = [name for name in _names(tree) if _credits(name)]
        assert not found, f"a body sends {found}, which nobody asked for: {body!r}"


def _credits(name: str) -> bool:
    return any(word in name.lower() for word in _ATTRIBUTION)


# Safety calls


@pytest.mark.rule("safety-calls-are-honest")
@pytest.mark.needs("cancel_all_orders", "place_order")
@pytest.mark.parametrize(
    "fault",
    [
        {"action": "drop_before"},
        {"action": "status", "status": 500},
        {"action": "status", "status": 403},
        {"action": "html", "status": 502},
        {"action": "status", "status": 200, "body": '{"error": "NOT_ALLOWED", "message": "nothing was canceled"}'},
        {"action": "status", "status": 200, "body": "<html>hello</html>"},
    ],
    ids=lambda fault: f"{fault['action']}-{fault.get('status', '')}-{len(fault.get('body', ''))}",
)
async def test_a_cancel_of_everything_that_did_not_happen_raises(
    target: Target, venue: Venue, fault: dict[str, Any]
) -> None:
    """The orders stand, and the call does not return as if they were gone."""
    trader = await Trader.of(target, venue)
    await trader.place()
    target.inject("cancel_all_orders", times=None, **fault)
    try:
        await target.run(venue.cancel_all_orders())
    except PerpkitError:
        pass
    else:
        assert not trader.truth.open_orders(), (
            f"cancel_all_orders returned, and the ledger has {len(trader.truth.open_orders())} orders standing"
        )
    finally:
        target.control.clear_faults()


@pytest.mark.rule("safety-calls-are-honest")
@pytest.mark.needs("cancel_all_orders", "place_order")
async def test_in_maintenance_nothing_is_called_canceled(
    request: pytest.FixtureRequest, target: Target, venue: Venue
) -> None:
    """The venue refuses: cancel-all and a single cancel say so."""
    published(request, f"VenueStatus:{SystemStatus.MAINTENANCE}")
    trader = await Trader.of(target, venue)
    order = await trader.place()
    target.control.set_system_status(SystemStatus.MAINTENANCE)
    for work in (
        venue.cancel_all_orders,
        lambda: venue.cancel_all_orders(trader.market),
        lambda: venue.cancel_order(order),
    ):
        with pytest.raises(PerpkitError):
            await target.run(work())
    assert len(trader.truth.open_orders()) == 1


@pytest.mark.rule("safety-calls-are-honest")
@pytest.mark.needs("set_dead_man_switch", "place_order")
async def test_a_dead_mans_switch_that_was_not_set_raises_and_one_that_was_works(target: Target, venue: Venue) -> None:
    """Refused it raises; set, it cancels the orders when nobody comes back."""
    trader = await Trader.of(target, venue)
    await trader.place()
    target.inject("set_dead_man_switch", FaultAction.STATUS, status=500, times=None)
    with pytest.raises(PerpkitError):
        await target.run(venue.set_dead_man_switch(target.profile.shortest_switch))
    target.control.clear_faults()
    await target.run(venue.set_dead_man_switch(target.profile.shortest_switch))
    target.advance(3 * target.profile.shortest_switch)
    await asyncio.sleep(0)
    assert not trader.truth.open_orders(), "the switch was set, nobody came back, and the orders stand"

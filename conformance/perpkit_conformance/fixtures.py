"""
The suite's fixtures, for tests of a venue: ``venue_profile``, ``target``, ``venue``; and ``local_paradex`` for anybody.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from perpkit_conformance.outcomes import CLAIMS, NEEDS, SEED, VENUE, Outcome
from perpkit_conformance.plugin import gap, hold

if TYPE_CHECKING:
    from perpkit.core.capabilities import VenueDescription
    from perpkit.core.venue import Venue
    from perpkit.sim.venues.paradex import LocalParadex
    from perpkit_conformance.live import Live
    from perpkit_conformance.profile import VenueProfile
    from perpkit_conformance.target import Target

_OPENS = "opens-and-closes"
_DESCRIBED = pytest.StashKey[dict[int, Any]]()


@pytest.fixture(scope="session")
def venue_profile(request: pytest.FixtureRequest) -> VenueProfile:
    """The profile of the venue named by ``--venue``. Override it to test a venue that is not installed."""
    from perpkit_conformance.profile import load_profile  # noqa: PLC0415 - imported when a test needs it

    name = request.config.getoption("venue")
    if not name:
        pytest.skip("no venue to test: give --venue NAME, or a fixture venue_profile")
    return load_profile(name, request.config.getoption("venue_plugin"))


@pytest.fixture(scope="session")
def venue_seed(request: pytest.FixtureRequest) -> int:
    """The seed of local exchange, faults and histories; ``--venue-seed`` sets it."""
    from perpkit_conformance.profile import SEED as USUAL  # noqa: PLC0415 - as above

    given: int | None = request.config.getoption("venue_seed")
    return USUAL if given is None else given


@pytest.fixture
def description(request: pytest.FixtureRequest, venue_profile: VenueProfile) -> VenueDescription:
    """What the plugin says of itself; a test that asks for it does not run where the plugin can't even say that."""
    found = _describe(request.config, venue_profile)
    if isinstance(found, Exception):
        gap(request.node, Outcome.NOT_RUN, f"the plugin can't be made: {found}; see the rule hooks-register")
    described: VenueDescription = found
    return described


@pytest.fixture
def plugin_class(request: pytest.FixtureRequest, venue_profile: VenueProfile) -> Any:
    """The plugin under test, imported; a test that asks for it does not run where it can't be."""
    from perpkit.core.errors import PerpkitError  # noqa: PLC0415 - as above

    try:
        return venue_profile.plugin_class()
    except PerpkitError as error:
        gap(request.node, Outcome.NOT_RUN, f"{error}; see the rule imports-clean")


@pytest_asyncio.fixture
async def target(
    request: pytest.FixtureRequest, venue_profile: VenueProfile, venue_seed: int, description: VenueDescription
) -> AsyncIterator[Target]:
    """
    A started local exchange on a clock that only the test moves, and the plugin under test to be opened on it.

    ``@pytest.mark.target(accounts=3, deposit=..., settings=...)`` gives options.
    """
    from perpkit_conformance.target import Target  # noqa: PLC0415 - as above

    options = {name: value for mark in request.node.iter_markers("target") for name, value in mark.kwargs.items()}
    async with AsyncExitStack() as stack:
        try:
            started = await stack.enter_async_context(Target(venue_profile, seed=venue_seed, **options))
        except Exception as error:
            # A profile may raise anything. One defect is one failure, and not one for each test.
            mark = request.node.get_closest_marker("rule")
            if mark is None or mark.args[0] == _OPENS:
                raise
            reason = f"the local exchange does not start: {type(error).__name__}: {error}; see the rule {_OPENS}"
            gap(request.node, Outcome.NOT_RUN, reason)
        yield started
        # A local exchange whose own books don't balance proves nothing about anybody.
        started.control.check_invariants()


@pytest_asyncio.fixture
async def venue(request: pytest.FixtureRequest, target: Target) -> Venue:
    """The plugin under test, opened for the target's first account."""
    from perpkit.core.errors import PerpkitError  # noqa: PLC0415 - as above

    try:
        return await target.open()
    except PerpkitError as error:
        gap(request.node, Outcome.NOT_RUN, f"the plugin does not open: {error}; see the rule {_OPENS}")


@pytest.fixture(autouse=True)
def _rule_under_test(request: pytest.FixtureRequest) -> None:
    """For tests of a rule: skip where a claim is missing, saying whose gap it is; keep the waiver and the seed."""
    item = request.node
    mark = item.get_closest_marker("rule")
    if mark is None:
        return
    profile: VenueProfile = request.getfixturevalue("venue_profile")
    seed: int = request.getfixturevalue("venue_seed")
    hold(item, seed=seed, waiver=_waiver(profile, mark.args[0]))
    needed = [claim for each in item.iter_markers("needs") for claim in each.args]
    _tell_once(item, profile, seed)
    for claim in needed:
        require(request, claim)


def require(request: pytest.FixtureRequest, claim: str) -> None:
    """Skip the running test unless the plugin claims this; the card shows whose gap it is."""
    from perpkit_conformance.claims import claims_of  # noqa: PLC0415 - as above

    profile: VenueProfile = request.getfixturevalue("venue_profile")
    described: VenueDescription = request.getfixturevalue("description")
    if claim in claims_of(described.capabilities):
        return
    if claim in profile.not_offered:
        gap(request.node, Outcome.NOT_OFFERED, f"{claim}: {profile.not_offered[claim]}")
    gap(request.node, Outcome.NOT_IMPLEMENTED, f"the plugin does not claim {claim}")


def has(request: pytest.FixtureRequest, feature: str, there: object) -> None:
    """
    Skip the running test unless the venue has something that no plugin claims; the card shows whose gap it is.

    Args:
        feature: One of :data:`perpkit_conformance.claims.FEATURES`.
        there: What the profile gives for it; nothing where the venue has none of it.
    """
    from perpkit_conformance.claims import FEATURES  # noqa: PLC0415 - as above

    profile: VenueProfile = request.getfixturevalue("venue_profile")
    meaning = FEATURES[feature]
    if there:
        return
    if feature in profile.not_offered:
        gap(request.node, Outcome.NOT_OFFERED, f"{feature}: {profile.not_offered[feature]}")
    gap(
        request.node,
        Outcome.NOT_RUN,
        f"the profile neither gives {meaning}, nor says under not_offered[{feature!r}] that the venue has none",
    )


def offered(request: pytest.FixtureRequest, feature: str) -> None:
    """Skip the running test where the profile says that the venue has no such feature; otherwise it runs."""
    profile: VenueProfile = request.getfixturevalue("venue_profile")
    has(request, feature, feature not in profile.not_offered)


def published(request: pytest.FixtureRequest, name: str) -> None:
    """Skip the running test where the profile says that the venue has no such state or kind of data."""
    profile: VenueProfile = request.getfixturevalue("venue_profile")
    if name in profile.unpublished:
        gap(request.node, Outcome.NOT_OFFERED, f"{name}: {profile.unpublished[name]}")


def prove(request: pytest.FixtureRequest, *claims: str) -> None:
    """Count the running test as evidence for claims that only it knows when it runs, such as intervals of candles."""
    request.node.user_properties.append((NEEDS, list(claims)))


def _waiver(profile: VenueProfile, rule_id: str) -> Any:
    from perpkit.core.clock import SystemClock  # noqa: PLC0415 - as above

    waiver = profile.waiver(rule_id)
    # Past its date it excuses nothing any more.
    return None if waiver is None or waiver.is_over(SystemClock().now().astimezone(UTC).date()) else waiver


def _describe(config: pytest.Config, profile: VenueProfile) -> Any:
    known = config.stash.setdefault(_DESCRIBED, {})
    if id(profile) not in known:
        try:
            known[id(profile)] = profile.describe()
        except Exception as error:  # noqa: BLE001 - a broken plugin may raise anything; it is reported, once
            known[id(profile)] = error
    return known[id(profile)]


def _tell_once(item: pytest.Item, profile: VenueProfile, seed: int) -> None:
    """Send with the first report of this process what the card says of the venue and its claims."""
    from perpkit_conformance.claims import claims_of  # noqa: PLC0415 - as above

    told = item.config.stash.setdefault(_TOLD, [])
    if told:
        return
    told.append(True)
    found = _describe(item.config, profile)
    claims = [] if isinstance(found, Exception) else sorted(claims_of(found.capabilities))
    about = {
        "name": profile.name,
        "title": profile.name if isinstance(found, Exception) else found.title,
        "plugin": _plugin_version(profile),
        "target": profile.target_name,
        "not_offered": dict(profile.not_offered),
        "waivers": [
            {"rule": each.rule, "reason": each.reason, "whose": each.whose, "until": each.until.isoformat()}
            for each in profile.waivers
        ],
    }
    hold(item, properties=[(VENUE, about), (CLAIMS, claims), (SEED, seed)])


_TOLD = pytest.StashKey[list[bool]]()


def _plugin_version(profile: VenueProfile) -> str:
    from perpkit.core import plugins  # noqa: PLC0415 - as above

    if profile.plugin is not None:
        return f"{profile.plugin.__module__}:{profile.plugin.__qualname__}"
    return next((each.distribution or "?" for each in plugins.installed() if each.name == profile.name), "?")


@pytest_asyncio.fixture
async def live(request: pytest.FixtureRequest, venue_profile: VenueProfile) -> AsyncIterator[Live]:
    """The plugin under test on the real venue that ``--live`` names; a test of it does not run without."""
    from perpkit_conformance.live import Live, permit_of  # noqa: PLC0415 - as above
    from perpkit_conformance.recordings import Recordings  # noqa: PLC0415

    environment = request.config.getoption("live")
    if not environment:
        gap(request.node, Outcome.NOT_RUN, "it needs a real venue: --live testnet")
    allowed = permit_of(venue_profile.name, request.config.option)
    settings = venue_profile.live_settings(environment, os.environ)
    if settings is None:
        gap(request.node, Outcome.NOT_RUN, f"no credentials for {environment} are set up")
    recordings = Recordings()
    async with venue_profile.make_live(settings, recorders=(recordings,)) as opened:
        yield Live(venue_profile, opened, allowed, recordings)


@pytest_asyncio.fixture
async def live_trading(request: pytest.FixtureRequest, live: Live) -> Live:
    """The same, where an order may be placed."""
    if not live.permit.trade:
        gap(request.node, Outcome.NOT_RUN, "it places an order on a real venue: --live testnet --live-trade")
    return live


@pytest_asyncio.fixture
async def local_paradex(request: pytest.FixtureRequest) -> AsyncIterator[LocalParadex]:
    """
    A local Paradex in real time with liquidity, for anybody's tests: ``url``, ``ws_url``, ``accounts``, ``control``.

    ``@pytest.mark.local_paradex(seed=1, accounts=3, liquidity=False)`` gives options.
    """
    from perpkit.sim.clock import SimClock  # noqa: PLC0415 - as above
    from perpkit.sim.venues.paradex import LocalParadex  # noqa: PLC0415

    given = {name: value for mark in request.node.iter_markers("local_paradex") for name, value in mark.kwargs.items()}
    async with LocalParadex(**{"clock": SimClock.real_time(), "liquidity": True, **given}) as local:
        yield local

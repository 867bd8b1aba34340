"""Profiles and waivers: what is refused, and what is found."""

from __future__ import annotations

from datetime import date, timedelta
from importlib.metadata import EntryPoint

import pytest
from perpkit_conformance import profile as profiles
from perpkit_conformance.claims import FEATURES, claims_of, every_claim
from perpkit_conformance.profile import VenueProfile, Waiver, load_profile
from perpkit_conformance.profiles.paradex import ParadexProfile
from perpkit_conformance.rules import UnknownRuleError

from perpkit.core.errors import ConfigError, PluginError
from perpkit.core.models import Channel

GIVEN = date(2026, 11, 1)


def waiver(**fields) -> Waiver:
    usual = {"rule": "fills-exactly-once", "reason": "the venue repeats ids", "since": GIVEN, "until": GIVEN}
    return Waiver(**{**usual, "until": GIVEN + timedelta(days=30), **fields})


def test_a_waiver_counts_until_its_date():
    """On its last day it holds, on the day after it is over."""
    given = waiver()
    assert not given.is_over(GIVEN + timedelta(days=30))
    assert given.is_over(GIVEN + timedelta(days=31))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"reason": "broken"}, "needs a reason"),
        ({"until": GIVEN}, "1 to 180 days"),
        ({"until": GIVEN + timedelta(days=181)}, "1 to 180 days"),
        ({"whose": "nobody"}, "neither plugin nor venue"),
    ],
)
def test_a_waiver_without_reason_or_end_is_refused(fields, message):
    """No excuse without a sentence, an owner and a date in sight."""
    with pytest.raises(ConfigError, match=message):
        waiver(**fields)


def test_a_waiver_of_no_rule_is_refused():
    """A waiver that names nothing would excuse nothing in silence."""
    with pytest.raises(UnknownRuleError, match="there is no rule"):
        waiver(rule="fills-twice")


def test_a_profile_is_found_by_the_venues_name():
    """The installed profile is made and holds its venue's contract."""
    found = load_profile("paradex")
    assert found.name == "paradex"
    assert "Paradex 1.132" in found.target_name


@pytest.mark.parametrize(
    ("venue", "message"),
    [
        ("nowhere", "no conformance profile for 'nowhere' is installed \\(installed: .*paradex"),
        ("nowhere:Profile", "nowhere:Profile: ModuleNotFoundError"),
        ("decimal:Nothing", "decimal:Nothing: AttributeError"),
        ("decimal:Decimal", "is no VenueProfile"),
    ],
)
def test_what_is_no_profile_is_told(venue, message):
    """A wrong name says what there is, and a wrong object what it is."""
    with pytest.raises(ConfigError, match=message):
        load_profile(venue)


def test_another_packages_profile_is_found(monkeypatch):
    """A third party brings its profile by an entry point."""
    entry = EntryPoint("theirs", f"{__name__}:Theirs", profiles.GROUP)
    monkeypatch.setattr(profiles, "entry_points", lambda *, group: [entry] if group == profiles.GROUP else [])
    assert isinstance(load_profile("theirs"), Theirs)


class Theirs(ParadexProfile):
    """Stands for a profile of another package."""

    name = "theirs"


class Silent:
    """A plugin class that is no plugin: it has no hooks."""

    def __init__(self, context) -> None:
        self.context = context


def test_another_plugin_class_takes_the_place_of_the_installed_one():
    """Only the copy changes, and only that class's own module is read as its source."""
    usual = ParadexProfile()
    other = usual.with_plugin(Silent)
    assert (other.plugin_class(), other.package) == (Silent, __name__)
    assert usual.plugin is None
    with pytest.raises(PluginError, match="lacks the required hook"):
        other.describe()


def test_a_plugin_that_is_no_class_is_refused():
    """A module or an instance can't be made from a context."""
    with pytest.raises(ConfigError, match="is no plugin class"):
        ParadexProfile().with_plugin(Silent(None))


def test_describing_starts_no_server_and_says_what_is_claimed():
    """The claims come from the plugin's own description, without I/O."""
    claims = claims_of(ParadexProfile().describe().capabilities)
    assert {"fetch_balances", "channel:book", "order_type:limit", "post_only", "funding:continuous"} <= claims
    assert not {"start", "stop", "describe_venue"} & claims


def test_what_the_venue_does_not_offer_is_a_claim_that_exists():
    """A typo there would excuse nothing; what the plugin does claim can't be there."""
    profile = ParadexProfile()
    assert set(profile.not_offered) <= every_claim() | set(FEATURES)
    assert not set(profile.not_offered) & claims_of(profile.describe().capabilities)


def test_every_claim_is_made_or_not_offered_for_paradex():
    """Nothing that perpkit knows is left open for this venue, so that no rule is 'not implemented' for it."""
    profile = ParadexProfile()
    open_ = every_claim() - claims_of(profile.describe().capabilities) - set(profile.not_offered)
    assert open_ == set()


def test_faults_can_strike_every_hook_and_channel():
    """The profile says where each claimed hook's request and each channel's frames pass."""
    profile = ParadexProfile()
    claims = claims_of(profile.describe().capabilities)
    hooks = {each for each in claims if ":" not in each and each.startswith(("fetch_", "place_", "cancel_", "set_"))}
    assert hooks <= set(profile.http_faults)
    assert {f"channel:{each}" for each in profile.frame_faults} == {f"channel:{each.value}" for each in Channel}


def test_a_profile_needs_its_three_methods():
    """Whoever writes one is told what is missing when it is made."""
    with pytest.raises(TypeError, match="abstract"):
        type("Half", (VenueProfile,), {})()

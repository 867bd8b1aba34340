"""
Canaries: the account's keys and tokens, watched for in everything that the library puts into words: log records of
every logger at every level, reprs, errors with their arguments and causes, recordings, measurements.
"""

from __future__ import annotations

import asyncio

import pytest

import perpkit
from perpkit.core.errors import PerpkitError
from perpkit.core.middleware.metrics import Metrics
from perpkit.core.models import OrderRef
from tests.integration.canaries import check, check_log, everything_inside, words_of
from tests.integration.conftest import BTC
from tests.integration.helpers import SHORT, intent, patiently, true_orders


class Canaries:
    """What must never be seen, in each of the spellings that it may come in."""

    def __init__(self, local) -> None:
        me = local.accounts[0]
        self._forms: dict[str, str] = {}
        for name in ("private_key", "subkey"):
            number = int(getattr(me, name), 16)
            for form in (f"{number:x}", f"{number:X}", str(number)):
                self._forms[form] = name
        self._forms[me.readonly_token] = "readonly_token"
        self._local = local

    def found_in(self, text: str) -> str | None:
        """Name the canary that a text shows, if any."""
        lowered = text.lower()
        for form, name in self._all().items():
            if form.lower() in lowered:
                return name
        return None

    def _all(self) -> dict[str, str]:
        return self._forms | dict.fromkeys(self._local.issued, "session token")


@pytest.fixture
def canaries(local):
    """Keys of the account, and every token that the venue gives out."""
    local.issued = []
    issue = local.venue.authority._issue

    def watched(*args):
        token = issue(*args)
        # The last part is the signature: without it nobody can use the token, and every token has its own.
        local.issued += [token, token.rsplit(".", 1)[1]]
        return token

    local.venue.authority._issue = watched
    return Canaries(local)


KINDS = ["private_key", "subkey", "readonly_token"]


@pytest.mark.usefixtures("debug_loop")
@pytest.mark.parametrize("order_entry", ["rest", "ws"])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_ordinary_session_shows_no_secret(  # noqa: PLR0917 - fixtures
    local, open_on, canaries, logged, listen, kind, order_entry
):
    """Everything that goes well: sign-in, streams, orders, a renewed token, the end."""
    if (kind, order_entry) == ("readonly_token", "ws"):
        order_entry = "rest"
    recordings: list[object] = []
    metrics = Metrics(clock=local.clock)
    venue = await open_on(
        **{"private_key": None, kind: getattr(local.accounts[0], kind)},
        order_entry=order_entry,
        recorders=[recordings.append],
        middleware=[metrics],
    )
    async with listen(venue, "orders", "fills", "positions", f"book:{BTC}") as heard:
        await venue.fetch_account()
        if kind != "readonly_token":
            order = await venue.place_order(intent(price="100000.1"))
            await heard.wait_for(lambda: heard.of(perpkit.Fill), "the fill")
            await venue.fetch_order(order)
        local.control.expire_tokens()
        if kind != "readonly_token":
            await venue.fetch_account()
    await venue.check_health()
    shown = [repr(venue), repr(vars(venue)), repr(venue.description), str(venue), f"{venue._context}"]
    await venue.close()
    check(canaries, [*shown, repr(vars(venue))], "the venue")
    check(canaries, [repr(each) for each in heard.events], "an event")
    check(canaries, [repr(metrics.snapshot())], "the measurements")
    assert len(recordings) > 5
    check(canaries, [repr(each) for each in recordings], "a recording")
    check_log(canaries, logged)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_object_of_ours_shows_a_secret_in_its_repr(local, open_on, canaries, kind):
    """Whatever a debugger comes upon behind an open venue, printed one by one."""
    venue = await open_on(**{"private_key": None, kind: getattr(local.accounts[0], kind)}, order_entry="rest")
    await venue.fetch_account()
    if kind != "readonly_token":
        await venue.place_order(intent())
    plugins = [plugin for _, plugin in venue._manager.list_name_plugin()]
    found = everything_inside([venue, plugins])
    assert len(found) > 20
    for value in found:
        check(canaries, [repr(value), str(value)], f"a {type(value).__name__}")


FAULTS = {
    "refused": {"action": "status", "status": 401, "body": '{"error": "INVALID_TOKEN", "message": "%s"}'},
    "a known code": {"action": "status", "status": 400, "body": '{"error": "VALIDATION_ERROR", "message": "%s"}'},
    "an unknown code": {"action": "status", "status": 400, "body": '{"error": "%s", "message": "?"}'},
    "detail": {"action": "status", "status": 400, "body": '{"error": "NOT_FOUND", "data": {"a": "%s"}}'},
    "an HTML page": {"action": "html", "status": 502, "body": "<html>%s</html>"},
    "no order": {"action": "replace", "body": '{"id": 1, "oops": "%s"}'},
    "an order of a strange kind": {"action": "replace", "body": '{"id": "%s", "market": "%s", "status": "%s"}'},
    "no JSON": {"action": "replace", "body": "%s"},
    "half an answer": {"action": "truncate"},
    "no answer": {"action": "drop_after"},
    "a hanging server": {"action": "hang_after"},
    "a rate limit": {"action": "status", "status": 429, "retry_after": "3", "body": "%s"},
}
"""What the server does, ``%s`` being all that it was told."""


@pytest.mark.usefixtures("debug_loop")
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("path", ["POST /v1/orders", "POST /v1/auth*"], ids=["order", "sign-in"])
async def test_no_error_shows_a_secret_even_where_the_answer_echoes_them(  # noqa: PLR0917 - fixtures
    local, open_on, canaries, logged, kind, path
):
    """A server that is angry and talkative: it repeats keys and tokens in its answers."""
    me = local.accounts[0]
    recordings: list[object] = []
    venue = await open_on(recorders=[recordings.append], request_timeout=SHORT if "hang" in kind else 10)
    await patiently(local, venue.fetch_account())
    token = local.issued[-2]
    echo = f"key {me.private_key} Bearer {token} {int(me.private_key, 16)}"
    fault = {name: value.replace("%s", echo) if name == "body" else value for name, value in FAULTS[kind].items()}
    if path.startswith("POST /v1/auth"):
        local.control.expire_tokens()
    local.control.inject(match=path, times=None, **fault)
    with pytest.raises(PerpkitError) as caught:
        await patiently(local, venue.place_order(intent()))
    check(canaries, words_of(caught.value), f"{type(caught.value).__name__}")
    check(canaries, [repr(each) for each in recordings], "a recording")
    check_log(canaries, logged)
    assert len(true_orders(local)) <= 1


@pytest.mark.parametrize("echoing", ["subscribe orders*", "auth"])
async def test_a_refused_stream_shows_no_secret(local, open_on, canaries, logged, echoing):
    """Refused subscriptions and sign-ins come with a reason; the reason shows nothing."""
    venue = await open_on()
    action = "missing_channel" if echoing != "auth" else "expire_tokens"
    local.control.inject(action, target="rpc", match=echoing, times=2)
    said: list[str] = []
    async with venue.stream(["orders"]) as events:
        try:
            async with asyncio.timeout(5):
                async for event in events:
                    said.append(repr(event))
                    if isinstance(event, perpkit.StreamStatus) and event.state == "live":
                        break
        except PerpkitError as error:
            said += words_of(error).values()
    assert said
    check(canaries, said, "the stream")
    check_log(canaries, logged)


async def test_a_wrong_secret_is_not_shown_either(local, canaries, tmp_path):
    """What was given and refused is a secret of something."""
    me = local.accounts[0]
    path = tmp_path / "keys"
    path.write_text(f"private_key = {me.private_key} {me.subkey}\n")
    path.chmod(0o600)
    for given in (
        {"private_key": me.private_key + "zz"},
        {"private_key": me.private_key * 2},
        {"subkey": me.subkey},
        {"readonly_token": me.readonly_token + ".x"},
        {"readonly_token": me.readonly_token.replace(".", "")},
        {"private_key": me.private_key, "readonly_token": me.readonly_token},
        {"account": me.private_key + "zz", "private_key": me.private_key},
        {"credentials_file": path},
        {"private_key": me.private_key, "unknown_setting": me.subkey},
        {"private_key": [me.private_key]},
        {"private_key": me.private_key, "chain_id": me.subkey},
    ):
        with pytest.raises(PerpkitError) as caught:
            perpkit.open_venue("paradex", "local", rest_url=local.url, environ={}, **given)
        check(canaries, words_of(caught.value), f"the refusal of {sorted(given)}")
        # A validator's own error abbreviates what it was given, which the watch would not see.
        assert type(caught.value.__context__).__name__ != "ValidationError"


async def test_the_wire_is_recorded_with_everything_but_the_secrets(local, open_on, canaries):
    """A recording stays useful: method, path, body and status are there, bearer and signature are not."""
    recordings: list[object] = []
    venue = await open_on(recorders=[recordings.append])
    order = await venue.place_order(intent(client_order_id="seen-1"))
    placed = next(each for each in recordings if getattr(each, "operation", "") == "place_order")
    assert (placed.method, placed.path) == ("POST", "/orders")
    assert b'"client_id":"seen-1"' in placed.body
    assert dict(placed.headers)["Authorization"] == "***"
    assert b'"signature":"***"' in placed.body
    signed_in = next(each for each in recordings if getattr(each, "path", "").startswith("/auth/"))
    assert dict(signed_in.headers)["PARADEX-STARKNET-SIGNATURE"] == "***"
    await venue.cancel_order(OrderRef(market_id=f"{BTC}@paradex", venue_order_id=order.venue_order_id))
    check(canaries, [repr(each) for each in recordings], "a recording")


def test_the_canaries_are_found_where_they_are():
    """The watch itself: a text with a key in it, in each spelling, is caught."""
    key = "0xabcdef0123456789abcdef"

    class Account:
        private_key = key
        subkey = "0x1234567890abcdef1234567890"
        readonly_token = "eyJhbGciOi.eyJzdWIi.c2ln"

    class Local:
        accounts = (Account(),)
        issued = ("session-token-of-somebody",)

    watch = Canaries(Local())
    number = int(key, 16)
    assert watch.found_in(f"key={number:X}") == "private_key"
    assert watch.found_in(f"key={number:064x}") == "private_key"
    assert watch.found_in(f"key={number}") == "private_key"
    assert watch.found_in("Bearer session-token-of-somebody") == "session token"
    assert watch.found_in("nothing to see") is None

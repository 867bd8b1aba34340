"""
Canaries: the account's keys and tokens, watched for in everything that the library puts into words: log records of
every logger at every level, reprs, errors with their arguments and causes, recordings, measurements, files.
"""

from __future__ import annotations

import pytest

import perpkit
from perpkit.core.errors import PerpkitError
from perpkit.core.middleware.metrics import Metrics
from perpkit.core.models import Fill, OrderType
from tests.integration.canaries import check, check_log, everything_inside, words_of
from tests.integration.lighter.conftest import ETH, SEND, intent, paced, true_orders

KINDS = ["api_private_key", "api_keys", "readonly_token"]


class Canaries:
    """What must never be seen, in each of the spellings that it may come in."""

    def __init__(self, local) -> None:
        self._forms: dict[str, str] = {}
        for me in local.accounts:
            for slot, key in me.api_keys.items():
                number = int.from_bytes(bytes.fromhex(key), "little")
                for form in (key, str(number), f"{number:x}", repr(bytes.fromhex(key))[2:-1]):
                    self._forms[form.lower()] = f"key {slot}"
            self._forms[me.readonly_token] = "read-only token"
        self._tokens: dict[str, str] = {}

    def note(self, token) -> None:
        """Watch for a token from now on: for its last part, without which nobody can use it."""
        if token:
            self._tokens[token.rsplit(":", 1)[-1].lower()] = "auth token"

    def found_in(self, text: str) -> str | None:
        """Name the canary that a text shows, if any."""
        lowered = text.lower()
        return next((name for form, name in {**self._forms, **self._tokens}.items() if form in lowered), None)

    @property
    def tokens(self) -> list[str]:
        """The last parts of the tokens that the venue was shown."""
        return list(self._tokens)


@pytest.fixture
def canaries(local):
    """Keys of the accounts, and every token that the venue is shown."""
    watch = Canaries(local)
    read = local.venue.authority.read

    def watched(token, now_s):
        watch.note(token)
        return read(token, now_s)

    local.venue.authority.read = watched
    return watch


def given(local, kind):
    """The settings that hold one kind of secret."""
    me = local.accounts[0]
    if kind == "api_private_key":
        return {}
    other = {"api_keys": dict(me.api_keys)} if kind == "api_keys" else {"readonly_token": me.readonly_token}
    return {"api_private_key": None, "api_key_index": None, **other}


@pytest.mark.usefixtures("debug_loop")
@pytest.mark.parametrize("kind", KINDS)
async def test_an_ordinary_session_shows_no_secret(local, open_on, canaries, logged, listen, kind, tmp_path):  # noqa: PLR0917
    """Everything that goes well: reads, streams, orders, a renewed token, the file of ids, the end."""
    recordings: list[object] = []
    metrics = Metrics(clock=local.clock)
    path = tmp_path / "ids.jsonl"
    venue = await open_on(**given(local, kind), recorders=[recordings.append], middleware=[metrics], client_ids=path)
    async with listen(venue, "orders", "fills", "positions", f"book:{ETH}") as heard:
        await venue.fetch_account()
        if kind != "readonly_token":
            order = await venue.place_order(intent(price=None, type=OrderType.MARKET, client_order_id="bot-1"))
            await heard.wait_for(lambda: heard.of(Fill), "the fill")
            await venue.fetch_order(order)
            local.control.expire_tokens()
        await venue.fetch_open_orders()
    await venue.check_health()
    shown = [repr(venue), repr(vars(venue)), repr(venue.description), str(venue), f"{venue._context}"]
    await venue.close()
    assert canaries.tokens, "the venue was shown no token: this proves nothing"
    check(canaries, [*shown, repr(vars(venue))], "the venue")
    check(canaries, [repr(each) for each in heard.events], "an event")
    check(canaries, [repr(metrics.snapshot())], "the measurements")
    assert len(recordings) > 5
    check(canaries, [repr(each) for each in recordings], "a recording")
    check(canaries, [path.read_text("utf-8")], "the file of client order ids")
    check_log(canaries, logged)


@pytest.mark.parametrize("kind", KINDS)
async def test_no_object_of_ours_shows_a_secret_in_its_repr(open_on, local, canaries, kind):
    """Whatever a debugger comes upon behind an open venue, printed one by one."""
    venue = await open_on(**given(local, kind))
    await venue.fetch_open_orders()
    if kind != "readonly_token":
        await venue.place_order(intent())
    plugins = [plugin for _, plugin in venue._manager.list_name_plugin()]
    found = everything_inside([venue, plugins])
    assert len(found) > 20
    for value in found:
        check(canaries, [repr(value), str(value)], f"a {type(value).__name__}")


FAULTS = {
    "refused": {"action": "status", "status": 401, "body": '{"code": 20013, "message": "%s"}'},
    "a known code": {"action": "status", "status": 400, "body": '{"code": 21120, "message": "%s"}'},
    "an unknown code": {"action": "status", "status": 400, "body": '{"code": 99999, "message": "%s"}'},
    "an HTML page": {"action": "html", "status": 502, "body": "<html>%s</html>"},
    "another shape": {"action": "replace", "body": '{"code": 200, "tx_hash": ["%s"], "orders": "%s"}'},
    "no JSON": {"action": "replace", "body": "%s"},
    "half an answer": {"action": "truncate"},
    "no answer": {"action": "drop_after"},
    "a rate limit": {"action": "status", "status": 429, "retry_after": "3", "body": "%s"},
}
"""What the server does, ``%s`` being all that it was told."""


@pytest.mark.usefixtures("debug_loop")
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("path", [SEND, "GET /api/v1/accountActiveOrders"], ids=["order", "read"])
async def test_no_error_shows_a_secret_even_where_the_answer_echoes_them(local, open_on, canaries, logged, kind, path):  # noqa: PLR0917
    """A server that is angry and talkative: it repeats keys and tokens in its answers."""
    me = local.accounts[0]
    recordings: list[object] = []
    venue = await open_on(recorders=[recordings.append])
    await venue.fetch_open_orders()
    echo = f"key {me.private_key} Authorization 1800000000:{me.account_index}:4:{canaries.tokens[0]}"
    fault = {name: value.replace("%s", echo) if name == "body" else value for name, value in FAULTS[kind].items()}
    local.control.inject(match=path, times=None, **fault)
    with pytest.raises(PerpkitError) as caught:
        await paced(local, venue.place_order(intent()) if path == SEND else venue.fetch_open_orders())
    check(canaries, words_of(caught.value), f"{type(caught.value).__name__}")
    check(canaries, [repr(each) for each in recordings], "a recording")
    check_log(canaries, logged)
    assert len(true_orders(local)) <= 1


async def test_a_refused_stream_shows_no_secret(local, open_on, canaries):
    """The key is another slot's: what is said of the refusal shows neither it nor a token that it signed."""
    venue = await open_on(api_key_index=5)
    said: list[str] = []

    async def follow() -> None:
        async with venue.stream(["orders"]) as events:
            async for event in events:
                said.append(repr(event))

    with pytest.raises(PerpkitError) as caught:
        await paced(local, follow())
    assert canaries.tokens
    check(canaries, [*said, *words_of(caught.value).values()], "the stream")


async def test_a_wrong_secret_is_not_shown_either(local, canaries, tmp_path):
    """What was given and refused is a secret of something."""
    me, account = local.accounts[0], {"account_index": local.accounts[0].account_index, "api_key_index": 4}
    path = tmp_path / "keys"
    path.write_text(f"api_private_key = {me.private_key} {me.private_key}\naccount_index = 1\napi_key_index = 4\n")
    path.chmod(0o600)
    for settings in (
        {**account, "api_private_key": me.private_key + "zz"},
        {**account, "api_private_key": me.private_key * 2},
        {"account_index": me.private_key, "api_private_key": me.private_key, "api_key_index": 4},
        {"account_index": 1, "api_private_key": me.private_key, "api_key_index": me.private_key},
        {"api_private_key": me.private_key, "api_key_index": 4},
        {"account_index": 1, "api_keys": f"4-{me.private_key}"},
        {"account_index": 1, "api_keys": {4: me.private_key + "0"}},
        {"readonly_token": me.readonly_token + "x"},
        {"readonly_token": me.readonly_token.replace("ro:", "")},
        {"readonly_token": me.readonly_token, "account_index": 1},
        {**account, "api_private_key": me.private_key, "readonly_token": me.readonly_token},
        {"credentials_file": path},
        {**account, "api_private_key": me.private_key, "unknown_setting": me.private_key},
        {**account, "api_private_key": [me.private_key]},
        {**account, "api_private_key": me.private_key, "chain_id": me.private_key},
        {**account, "api_private_key": me.private_key, "client_ids": 5, "tier": me.private_key},
    ):
        with pytest.raises(PerpkitError) as caught:
            perpkit.open_venue("lighter", "local", rest_url=local.url, environ={}, **settings)
        check(canaries, words_of(caught.value), f"the refusal of {sorted(settings)}")
        # A validator's own error abbreviates what it was given, which the watch would not see.
        assert type(caught.value.__context__).__name__ != "ValidationError"


async def test_the_wire_is_recorded_with_everything_but_the_secrets(local, open_on, canaries):
    """A recording stays useful: method, path, fields and status are there, tokens are not."""
    recordings: list[object] = []
    venue = await open_on(recorders=[recordings.append])
    await venue.place_order(intent(client_order_id="1001"))
    await venue.fetch_open_orders()
    placed = next(each for each in recordings if getattr(each, "operation", "") == "place_order")
    assert (placed.method, placed.path) == ("POST", "/api/v1/sendTx")
    assert b"ClientOrderIndex" in placed.body
    read = next(each for each in recordings if getattr(each, "path", "") == "/api/v1/accountActiveOrders")
    assert dict(read.headers)["Authorization"] == "***"
    check(canaries, [repr(each) for each in recordings], "a recording")


def test_the_canaries_are_found_where_they_are():
    """The watch itself: a text with a key or a token in it, in each spelling, is caught."""

    class Account:
        api_keys = {4: bytes(range(1, 41)).hex()}  # noqa: RUF012
        readonly_token = "ro:1:single:1:abcdef"

    class Local:
        accounts = (Account(),)

    watch = Canaries(Local())
    number = int.from_bytes(bytes(range(1, 41)), "little")
    for form in (Account.api_keys[4].upper(), str(number), f"{number:X}", repr(bytes(range(1, 41)))):
        assert watch.found_in(f"key={form}") == "key 4", form
    watch.note("1800000000:12345:4:" + "ab" * 80)
    assert watch.found_in("Authorization: " + "AB" * 80) == "auth token"
    assert watch.found_in("nothing to see") is None

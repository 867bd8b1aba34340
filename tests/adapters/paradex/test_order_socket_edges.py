"""The order connection by itself: what it says of each way in which a command can go wrong, and what it leaves."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from perpkit.adapters.paradex import endpoints
from perpkit.adapters.paradex.order_socket import OrderSocket, fits_socket
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import SystemClock
from perpkit.core.context import VenueContext
from perpkit.core.errors import (
    AuthError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    LocalRateLimitError,
    NotSentError,
    OrderNotFoundError,
    OrderRejectedError,
    RequestTimeoutError,
    UnmappedVenueError,
)
from perpkit.core.transport.ratelimit import Priority, Quota, RateLimiterRegistry, Scope
from perpkit.core.transport.recorder import Direction
from perpkit.core.transport.redact import Redactor, Secret
from tests.adapters.paradex.stub import StubVenue, token
from tests.core.clocks import START, ManualClock

CONTRACT = Path(__file__).parents[3] / "perpkit/sim/venues/paradex/contract/openrpc.json"
(CREATE,) = (
    method for method in json.loads(CONTRACT.read_text(encoding="utf-8"))["methods"] if method["name"] == "order.create"
)
PARAMS = {each["name"]: each["schema"] for each in CREATE["params"]}

WHERE = ("paradex", "place_order", "c-1")
REFUSED = {"error": {"code": 40111, "message": "Invalid bearer token"}}
LIMIT = {"type": "LIMIT", "size": "1"}


class Taken(msgspec.Struct):
    """What these tests read of an answer."""

    status: str


class Tokens:
    """Gives tokens one after the other, the next one after the last was dropped."""

    def __init__(self):
        self.number = 1

    async def token(self):
        return Secret(token(self.number))

    def drop(self, refused):
        assert refused.reveal() == token(self.number)
        self.number += 1

    async def close(self):
        """Nothing is under way."""


class Bench:
    """An order connection on a stub, and its quotas, which are as wide as ``commands`` and ``connects`` in a day."""

    def __init__(self, stub, *, commands=100, connects=100, within=20.0, clock=None, **settings):
        day = timedelta(days=1)
        registry = RateLimiterRegistry()
        quotas = (
            Quota(endpoints.ORDER_COMMANDS, ((commands, day),), Scope.ACCOUNT, cancel_reserve=0.2),
            Quota(endpoints.WS_CONNECT, ((connects, day),), Scope.IP),
        )
        self.stub = stub
        self.tokens = Tokens()
        self.frames = []
        self.limiter = registry.limiter("stub", quotas, account="a")
        context = VenueContext(
            venue="paradex",
            environment="local",
            clock=clock or SystemClock(),
            markets=MarketCatalog("paradex", SystemClock()),
            redactor=Redactor(),
            limits=registry,
            recorders=(self.frames.append,),
        )
        self.socket = OrderSocket(
            url=stub.ws_url,
            tokens=self.tokens,
            limiter=self.limiter,
            context=context,
            answer_within=timedelta(seconds=within),
            **{"cancel_on_disconnect": False, **settings},
        )

    async def place(self, name="c-1", **changes):
        """Send an order command."""
        return await self.socket.call(
            "order.create",
            {"client_id": name},
            Taken,
            **{"operation": "place_order", "is_order_command": True, "client_order_id": "c-1", **changes},
        )

    def bound(self, seconds):
        """Have the next answers come in so long. Short only where none is to come: the machine may be busy."""
        self.socket._answer_within = timedelta(seconds=seconds)

    def methods(self):
        """What was asked, in order."""
        return [call["method"] for call in self.stub.calls]


def rpc(create, *, auth=None, switch=None):
    """Answer each method as told; a list is used up, and its last stays."""

    def next_of(answers):
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer() if callable(answer) else answer

    queues = {
        "auth": list(auth or [{"result": {}}]),
        "order.cancel_on_disconnect": list(switch or [{"result": {}}]),
        "order.create": list(create) if isinstance(create, list) else [create],
    }
    return lambda call: next_of(queues[call["method"]])


TAKEN = {"result": {"status": "NEW"}}


@pytest.fixture
async def stub():
    async with StubVenue() as server:
        server.rpc = rpc(TAKEN)
        yield server


@pytest.fixture
async def bench(stub):
    """A connection; what opens it is closed at the end."""
    made = []

    def make(**settings):
        made.append(Bench(stub, **settings))
        return made[-1]

    yield make
    for each in made:
        await each.socket.close()


async def eventually(met):
    """Let the server come to see what the client did; a second is ages."""
    async with asyncio.timeout(5):
        while not met():  # noqa: ASYNC110 - the server of the test has no event for it
            await asyncio.sleep(0)


def where(error):
    return error.venue, error.operation, error.client_order_id


# What fits


def test_every_field_and_type_and_flag_of_the_contract_fits():
    """All at once, and each alone beside the type."""
    whole = dict.fromkeys(PARAMS, "x") | {"flags": list(PARAMS["flags"]["enum"])}
    for kind in PARAMS["type"]["enum"]:
        assert fits_socket({**whole, "type": kind})
    for name in whole:
        assert fits_socket({name: whole[name], "type": "LIMIT"})
    assert fits_socket({"type": "LIMIT", "flags": []})


@pytest.mark.parametrize(
    "body", [{**LIMIT, "type": "TAKE_PROFIT_LIMIT"}, {**LIMIT, "vwap": "1"}, {**LIMIT, "flags": ["REDUCE_ONLY", "X"]}]
)
def test_what_the_contract_does_not_name_goes_elsewhere(body):
    """One word too many is enough."""
    assert not fits_socket(body)


# What is said of what went wrong


async def test_a_command_that_is_not_answered_in_time_was_sent_and_says_so(stub, bench):
    """Its outcome is unknown; the bound is in the words."""
    own = bench()
    stub.rpc = rpc([TAKEN, None])
    await own.place()
    own.bound(0.05)
    with pytest.raises(RequestTimeoutError, match=r"not answered within 0\.05 s") as caught:
        await own.place()
    assert where(caught.value) == WHERE


async def test_a_connection_that_closes_before_the_answer_says_how(stub, bench):
    """The close code and its reason tell a maintenance from a cut."""

    def close():
        for socket in stub._sockets:
            closing.append(asyncio.ensure_future(socket.close(code=1012, message=b"restarting")))

    closing = []
    stub.rpc = rpc(close)
    with pytest.raises(ConnectionLostError, match="1012 restarting") as caught:
        await bench().place()
    await asyncio.gather(*closing)
    assert caught.value.venue == "paradex"


async def test_a_refusal_says_whose_and_keeps_the_words_and_the_word_in_its_data(stub, bench):
    """A code of REST may hide in ``data``."""
    error = {"code": -32000, "message": "Application error", "data": {"error": "ORDER_ID_NOT_FOUND"}}
    stub.rpc = rpc({"error": error})
    with pytest.raises(OrderNotFoundError, match="Application error") as caught:
        await bench().place()
    assert (where(caught.value), caught.value.code) == (WHERE, "ORDER_ID_NOT_FOUND")


@pytest.mark.parametrize(("is_order_command", "kind"), [(True, OrderRejectedError), (False, UnmappedVenueError)])
async def test_only_the_refusal_of_an_order_is_a_rejection(stub, bench, is_order_command, kind):
    """A cancel that is refused rejects no order."""
    stub.rpc = rpc({"error": {"code": -32602 if is_order_command else -1, "message": "no"}})
    with pytest.raises(kind):
        await bench().place(is_order_command=is_order_command)


@pytest.mark.parametrize("answer", [{}, {"result": {}}, {"result": [1]}])
async def test_an_answer_that_says_nothing_can_not_be_read(stub, bench, answer):
    """Neither taken nor refused: it proves nothing, and names the method."""
    stub.rpc = rpc(answer)
    with pytest.raises(DecodeError, match=r"order\.create"):
        await bench().place()


async def test_an_answer_without_result_and_error_says_of_which_order(stub, bench):
    """So that the order can be asked for."""
    stub.rpc = rpc({})
    with pytest.raises(DecodeError, match="neither a result nor an error") as caught:
        await bench().place()
    assert where(caught.value) == WHERE


async def test_what_can_not_be_read_shows_no_secret(stub, bench, caplog):
    """Neither an answer's nor a stray frame's, and the commands go on."""
    own = bench()
    own.socket._redactor.add("hunter22-hunter22", None)

    async def stray():
        await next(iter(stub._sockets)).send_str('{"id": "hunter22-hunter22"')
        await next(iter(stub._sockets)).send_str('{"id": 77, "result": {"status": "NEW"}}')

    stub.rpc = rpc([{"result": ["hunter22-hunter22"]}, TAKEN])
    with pytest.raises(DecodeError) as caught:
        await own.place()
    await stray()
    assert (await own.place()).status == "NEW"
    assert "hunter22" not in f"{caught.value} {caught.value.payload} {caplog.text}"
    assert "an answer on the order connection can't be read" in caplog.text


async def test_garbage_before_the_first_answer_does_no_harm(stub, bench, caplog):
    """The reader goes on to the answer that follows it."""

    async def say(call):
        await next(iter(stub._sockets)).send_str("{")
        await next(iter(stub._sockets)).send_json({"jsonrpc": "2.0", "id": call["id"], "result": {}})

    def answer(call):
        if call["method"] != "auth":
            return TAKEN
        saying.append(asyncio.ensure_future(say(call)))
        return None

    saying = []
    stub.rpc = answer
    assert (await bench().place()).status == "NEW"
    await asyncio.gather(*saying)
    assert "can't be read" in caplog.text


async def test_a_message_about_nothing_that_was_asked_is_passed_over(stub, bench, caplog):
    """A notification has no id."""

    def notify():
        for socket in stub._sockets:
            sending.append(
                asyncio.ensure_future(socket.send_json({"jsonrpc": "2.0", "method": "x", "result": {"status": "?"}}))
            )
        return TAKEN

    sending = []
    stub.rpc = rpc(notify)
    own = bench()
    assert [(await own.place()).status for _ in range(3)] == ["NEW"] * 3
    await asyncio.gather(*sending)
    assert caplog.text == ""


async def test_a_server_that_is_not_there_means_not_sent(stub, bench):
    """Safe to repeat, and it says what could not be reached."""
    own = bench()
    own.socket._url = "ws://127.0.0.1:9/ws"
    with pytest.raises(ConnectError) as caught:
        await own.place()
    assert (caught.value.venue, caught.value.operation) == ("paradex", "connect for orders")


async def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up_in_time(stub, bench):
    """The same bound as for answers holds for connecting."""

    async def listen(reader, writer):
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(listen, "127.0.0.1", 0)
    own = bench(within=0.2)
    own.socket._url = f"ws://127.0.0.1:{silent.sockets[0].getsockname()[1]}/ws"
    async with silent:
        with pytest.raises(ConnectError):
            await asyncio.wait_for(own.place(), 5)


# Signing in


@pytest.mark.parametrize("code", [40110, 40111])
async def test_a_token_refused_at_sign_in_is_dropped_and_the_next_one_tried(stub, bench, code):
    """A token may have ended early; the command goes out once, on a connection that is signed in."""
    own = bench()
    stub.rpc = rpc(TAKEN, auth=[{"error": {"code": code, "message": "no"}}, {"result": {}}])
    await own.place()
    assert own.methods() == ["auth", "auth", "order.create"]
    bearers = [call["params"]["bearer"] for call in stub.calls[:2]]
    assert bearers == [token(1), token(2)]


async def test_a_permission_that_is_missing_is_not_asked_for_twice(stub, bench):
    """Another token would be refused as well."""
    own = bench()
    stub.rpc = rpc(TAKEN, auth=[{"error": {"code": 40300, "message": "Permission denied"}}])
    with pytest.raises(AuthError, match="Permission denied") as caught:
        await own.place()
    assert (caught.value.venue, caught.value.operation, caught.value.code) == ("paradex", "sign in for orders", 40300)
    assert own.methods() == ["auth"]


async def test_a_session_refused_on_and_on_is_renewed_once_and_then_told(stub, bench):
    """No loop of sign-ins."""
    own = bench()
    stub.rpc = rpc(REFUSED)
    with pytest.raises(AuthError, match="Invalid bearer token") as caught:
        await own.place()
    assert where(caught.value) == WHERE
    assert own.methods() == ["auth", "order.create"] * 2


@pytest.mark.parametrize("error", [{"code": -32603, "message": "Internal error"}, {"code": 1, "message": "new"}])
async def test_a_sign_in_that_fails_for_another_reason_means_not_sent(stub, bench, error):
    """However unclear it is what went wrong, no command left, and the next one opens anew."""
    own = bench()
    stub.rpc = rpc(TAKEN, auth=[{"error": error}, {"result": {}}])
    with pytest.raises(NotSentError, match=error["message"]) as caught:
        await own.place()
    assert where(caught.value) == WHERE
    assert (await own.place()).status == "NEW"
    assert own.methods() == ["auth", "auth", "order.create"]


async def test_a_switch_that_is_refused_lets_no_command_out(stub, bench):
    """Who asked for cancel-on-disconnect relies on it; the connection is given up."""
    own = bench(cancel_on_disconnect=True)
    stub.rpc = rpc(TAKEN, switch=[{"error": {"code": -32603, "message": "no switch"}}, {"result": {}}])
    with pytest.raises(NotSentError, match="no switch"):
        await own.place()
    assert own.methods() == ["auth", "order.cancel_on_disconnect"]
    assert (await own.place()).status == "NEW"


async def test_a_sign_in_without_an_answer_means_not_sent_and_its_connection_is_closed(stub, bench):
    """The sockets that the server holds are those in use."""
    own = bench(within=1)
    stub.rpc = rpc(TAKEN, auth=[None, {"result": {}}])
    with pytest.raises(NotSentError, match="auth was sent"):
        await own.place()
    own.bound(20)
    assert (await own.place()).status == "NEW"
    await eventually(lambda: len(stub._sockets) == 1)


async def test_many_first_commands_open_one_connection(stub, bench):
    """The rest wait for the sign-in and go over it."""
    own = bench()
    answers = await asyncio.gather(*(own.place() for _ in range(5)))
    assert [each.status for each in answers] == ["NEW"] * 5
    assert own.methods() == ["auth"] + ["order.create"] * 5


# Quotas


async def test_each_command_and_each_connection_has_its_cost(stub, bench):
    """Two commands, one connection; both are counted against what the venue allows."""
    own = bench(commands=3, connects=2)
    await own.place()
    await own.place()
    counts = {name: usage.used[0][:2] for name, usage in own.limiter.usage().items()}
    assert counts == {endpoints.ORDER_COMMANDS: (2, 3), endpoints.WS_CONNECT: (1, 2)}


async def test_a_connection_that_finds_no_room_in_the_quota_means_not_sent(stub, bench):
    """The venue would refuse it, and the ones that follow."""
    own = bench(connects=1)
    await own.place()
    await own.socket.close()
    with pytest.raises(LocalRateLimitError):
        await own.place()
    assert own.methods() == ["auth", "order.create"]


async def test_cancels_may_use_what_is_kept_for_them(stub, bench):
    """A quota that orders have used up to the reserve still lets a cancel out."""
    own = bench(commands=10)
    for _ in range(8):
        await own.place()
    own.bound(0.05)
    with pytest.raises(LocalRateLimitError):
        await own.place()
    own.bound(20)
    await own.place(priority=Priority.CANCEL)
    assert own.methods() == ["auth"] + ["order.create"] * 9


async def test_what_goes_over_the_connection_is_recorded_without_its_secrets(stub, bench):
    """With the time of the venue's clock, as every other recording."""
    own = bench(clock=ManualClock())
    own.socket._redactor.add("hunter22-hunter22", None)
    await own.place("hunter22-hunter22")
    assert [(frame.direction, json.loads(frame.data).get("method")) for frame in own.frames] == [
        (Direction.SENT, "auth"),
        (Direction.RECEIVED, None),
        (Direction.SENT, "order.create"),
        (Direction.RECEIVED, None),
    ]
    assert {frame.at for frame in own.frames} == {START}
    assert token(1) not in str(own.frames)
    assert "hunter22" not in str(own.frames)


# Closing


async def test_closing_ends_the_commands_under_way_and_leaves_nothing(stub, bench):
    """They are lost, not refused; a second close is harmless, and the reader is gone."""
    own = bench()
    asked = asyncio.Event()

    def ask():
        asked.set()

    stub.rpc = rpc(ask)
    call = asyncio.create_task(own.place())
    async with asyncio.timeout(5):
        await asked.wait()
    await own.socket.close()
    with pytest.raises(ConnectionLostError):
        await call
    await own.socket.close()
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}


async def test_closing_what_broke_before_asks_nothing_of_it(stub, bench, caplog):
    """There is nothing to switch off on a connection that is gone: the venue has canceled already."""
    own = bench(cancel_on_disconnect=True)
    await own.place()
    await stub.drop_sockets()
    async with asyncio.timeout(5):
        await asyncio.wait([own.socket._reader])
    await own.socket.close()
    assert own.methods() == ["auth", "order.cancel_on_disconnect", "order.create"]
    assert caplog.text == ""


@pytest.mark.parametrize("answer", [{"error": {"code": -32603, "message": "Internal error"}}, None])
async def test_a_switch_that_can_not_be_taken_back_is_told_and_does_not_hold_up_the_end(stub, bench, caplog, answer):
    """Orders that should stay may be canceled by the venue then, and that is worth a line."""
    own = bench(cancel_on_disconnect=True)
    stub.rpc = rpc(TAKEN, switch=[{"result": {}}, answer])
    await own.place()
    own.bound(20 if answer else 0.05)
    await own.socket.close()
    assert "with cancel-on-disconnect still on" in caplog.text
    assert stub.calls[-1]["params"] == {"enabled": False}


async def test_a_command_after_the_end_opens_a_new_connection(stub, bench):
    """Nothing of the old one is in its way."""
    own = bench()
    await own.place()
    await own.socket.close()
    assert (await own.place()).status == "NEW"
    assert own.methods() == ["auth", "order.create"] * 2

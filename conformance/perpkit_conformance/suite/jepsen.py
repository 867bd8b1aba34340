"""
A history in the manner of Jepsen: several workers command at random while faults strike, each command is written down
with what came of it (ok, fail, unknown), and in the end the ledger is the judge of every one of them.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from perpkit.core.errors import NotSentError, OrderNotFoundError, OutcomeUnknownError, PerpkitError, RejectReason
from perpkit.core.models import Order, OrderIntent, OrderStatus, Side, TimeInForce
from perpkit.sim import orders as exchange
from perpkit.sim.faults import FaultAction
from perpkit.sim.orders import OrderState
from perpkit_conformance.suite.trading import Trader, differences

_HURTS = (
    (FaultAction.DROP_BEFORE, {}),
    (FaultAction.DROP_AFTER, {}),
    (FaultAction.STATUS, {"status": 503}),
    (FaultAction.STATUS_AFTER, {"status": 500}),
    (FaultAction.HTML, {"status": 502}),
    (FaultAction.TRUNCATE, {}),
    (FaultAction.DELAY_ANSWER, {"delay_ms": 700}),
    (FaultAction.EXTRA_FIELDS, {}),
)


_PATIENT = timedelta(seconds=1)
"""An order that is not there is waited for by the minute."""


@dataclass(slots=True)
class Operation:
    """
    One command.

    Attributes:
        kind: place, cancel or amend.
        order: Our id of the order.
        became: Our id of the order that an amendment made, where it makes a new one.
        outcome: ok, fail or unknown; empty while it is under way.
        detail: What came, in words.
    """

    kind: str
    order: str
    intent: OrderIntent | None = None
    price: Decimal | None = None
    became: str = ""
    outcome: str = ""
    detail: str = ""
    error: PerpkitError | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.order}: {self.outcome or 'under way'} {self.detail}".strip()


class History:
    """
    Runs and judges one history.

    Attributes:
        operations: Every command, in the order of their beginning.
    """

    def __init__(self, trader: Trader, seed: str) -> None:
        self.trader = trader
        self.rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self.operations: list[Operation] = []
        self._orders: dict[str, Order] = {}
        self._prefix = f"h{self.rng.randrange(10**6)}-"

    async def run(self, *, workers: int = 3, commands: int = 14) -> None:
        """Let the workers command."""
        await asyncio.gather(*(self._work(commands) for _ in range(workers)))

    async def _work(self, commands: int) -> None:
        for _ in range(commands):
            self._disturb()
            kinds = [self._place, self._place]
            hooks = self.trader.venue.capabilities.hooks
            kinds += [self._cancel] if "cancel_order" in hooks else []
            kinds += [self._amend] if "amend_order" in hooks else []
            await self.rng.choice(kinds)()

    def _disturb(self) -> None:
        target, rng = self.trader.target, self.rng
        if rng.random() < 0.35:
            action, fields = rng.choice(_HURTS)
            hook = rng.choice(
                [each for each in ("place_order", "cancel_order", "amend_order") if each in _faulty(self)]
            )
            target.inject(hook, action, times=1, **fields)
        if rng.random() < 0.4:
            self.trader.trade(rng.choice(list(Side)), self.trader.size(rng.randint(100, 3000)))
        if rng.random() < 0.3:
            target.quote(levels=3, size=self.trader.size(2000))

    async def _place(self) -> None:
        trader, rng = self.trader, self.rng
        side = rng.choice(list(Side))
        share = Decimal(rng.choice(["0.97", "0.9999", "1.0005"] if side is Side.BUY else ["1.03", "1.0001", "0.9995"]))
        name = self._name()
        intent = trader.intent(
            side,
            share,
            size=trader.size(rng.randint(200, 2000)),
            client_order_id=name,
            **trader.window(timedelta(seconds=10)),
            time_in_force=rng.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC])
            if TimeInForce.IOC in trader.venue.capabilities.times_in_force
            else TimeInForce.GTC,
        )
        operation = self._begin(Operation("place", name, intent=intent))
        try:
            order = await trader.venue.place_order(intent)
        except PerpkitError as error:
            _failed(operation, error)
        else:
            operation.outcome, operation.detail = "ok", str(order.status)
            self._orders[name] = order

    async def _cancel(self) -> None:
        if not self._orders:
            return
        name = self.rng.choice(list(self._orders))
        operation = self._begin(Operation("cancel", name))
        try:
            result = await self.trader.venue.cancel_order(self._orders[name])
        except PerpkitError as error:
            _failed(operation, error)
        else:
            operation.outcome, operation.detail = "ok", str(result.status)

    async def _amend(self) -> None:
        standing = [name for name, order in self._orders.items() if not order.is_terminal]
        if not standing:
            return
        name = self.rng.choice(standing)
        order = self._orders[name]
        price = self.trader.price("0.96" if order.side is Side.BUY else "1.04")
        operation = self._begin(Operation("amend", name, price=price))
        try:
            changed = await self.trader.venue.amend_order(order, price=price)
        except PerpkitError as error:
            _failed(operation, error)
        else:
            operation.outcome, operation.became = "ok", changed.client_order_id or ""
            self._orders[name] = changed

    def _name(self) -> str:
        rule, number = self.trader.venue.capabilities.client_order_id, len(self.operations)
        text = f"{self._prefix}{number}"
        return text if rule.problem(text) is None and rule.numeric_max is None else str(number + 1)

    def _begin(self, operation: Operation) -> Operation:
        self.operations.append(operation)
        return operation

    # The judgement

    async def judge(self) -> list[str]:
        """Return everything in which the history and the ledger disagree; unknown outcomes are resolved first."""
        found: list[str] = []
        truth = self.trader.truth
        places = {each.order: each for each in self.operations if each.kind == "place"}
        amends = sum(each.kind == "amend" for each in self.operations)
        strange = [each for each in truth.orders() if each.client_id not in places]
        if not self.trader.target.profile.amends_replace or len(strange) > amends:
            for ledger in strange:
                found.append(f"the ledger has {ledger.id} with our id {ledger.client_id!r}, which nobody placed")
        for name, operation in places.items():
            found += await self._judge_place(name, operation)
        for operation in self.operations:
            found += self._judge_change(operation)
        return found

    async def _judge_place(self, name: str, operation: Operation) -> list[str]:
        trader = self.trader
        there = [each for each in trader.truth.orders() if each.client_id == name]
        if len(there) > 1:
            return [f"{operation}: the ledger has {len(there)} orders of that id"]
        ledger = there[0] if there else None
        if operation.outcome == "unknown":
            return await self._judge_unknown(operation, ledger is not None)
        if operation.outcome == "fail":
            harmless = ledger is None or (ledger.is_closed and not ledger.filled_size)
            return [] if harmless else [f"{operation}: told as failed, and the ledger has {ledger!r}"]
        if ledger is None:
            return [f"{operation}: told as placed, and the ledger has nothing"]
        intent = operation.intent
        assert intent is not None
        if (ledger.side, ledger.size) != (intent.side, intent.size):
            return [f"{operation}: meant {intent.side} {intent.size}, the ledger has {ledger.side} {ledger.size}"]
        now = await trader.fetch(self._orders[name])
        return [f"{operation}: {each}" for each in _different(now, trader.true(self._orders[name]))]

    async def _judge_unknown(self, operation: Operation, is_there: bool) -> list[str]:
        trader = self.trader
        assert isinstance(operation.error, OutcomeUnknownError)
        # Where absence is never proof, what is there is found at once, and what is not is not found by waiting.
        proof_after = trader.venue.capabilities.never_accepted_after
        can_prove = proof_after is not None
        within = (
            max(timedelta(minutes=10), proof_after + timedelta(minutes=1)) if proof_after else timedelta(seconds=20)
        )
        try:
            resolved = await trader.target.run(
                trader.venue.resolve_order(operation.error, within=within), within=2 * within, step=_PATIENT
            )
        except OutcomeUnknownError as error:
            if not is_there and not can_prove:
                return []
            return [f"{operation}: could not be resolved: {error}"]
        if not is_there:
            came = (resolved.status, resolved.reject_reason)
            never = (OrderStatus.REJECTED, RejectReason.NEVER_RECEIVED)
            return [] if came == never else [f"{operation}: the ledger has nothing, resolved as {resolved!r}"]
        return [f"{operation}: resolved: {each}" for each in _different(resolved, trader.true(resolved))]

    def _judge_change(self, operation: Operation) -> list[str]:
        if operation.kind == "place" or operation.outcome not in {"ok", "fail"}:
            return []
        ledger = self.trader.truth.order_by_client_id(operation.became or operation.order)
        if ledger is None:
            return [f"{operation}: the ledger has no such order"]
        gone = operation.kind == "cancel" and (
            operation.outcome == "ok" or isinstance(operation.error, OrderNotFoundError)
        )
        if gone and ledger.state is not OrderState.CLOSED:
            return [f"{operation}: and the ledger has it standing: {ledger!r}"]
        if operation.kind == "amend" and operation.outcome == "ok" and ledger.price != operation.price:
            return [f"{operation}: amended to {operation.price}, the ledger has {ledger.price}"]
        return []


def _different(order: Order, ledger: exchange.Order) -> list[str]:
    return differences(order, ledger, forever=ledger.expires_at_ms is None)


def _failed(operation: Operation, error: PerpkitError) -> None:
    unknown = isinstance(error, OutcomeUnknownError)
    operation.outcome = "unknown" if unknown else "fail"
    operation.error = error
    operation.detail = f"{type(error).__name__}{' (not sent)' if isinstance(error, NotSentError) else ''}"


def _faulty(history: History) -> frozenset[str]:
    return history.trader.venue.capabilities.hooks & frozenset(history.trader.target.profile.http_faults)

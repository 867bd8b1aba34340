"""What came against what the ledger holds. One failure lists every difference, each with both values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from perpkit.core.clock import from_ms
from perpkit.core.models import Fill, FillKind, FundingPayment, Model, Position, PositionSide
from perpkit.sim import accounts as ledger
from perpkit.sim import orders as ledger_orders
from perpkit_conformance.target import Target

_MOVED = frozenset({FillKind.ADL, FillKind.TRANSFER, FillKind.OTHER})
"""How a venue may call it when it moves a position itself: few have a word for ADL alone."""


class Findings:
    """Collects differences during a ``with`` block and fails at its end with all of them."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.found: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self.found:
            raise AssertionError("\n".join(self.found))

    def equal(self, what: str, came: object, expected: object, source: str = "the ledger") -> None:
        """Note a difference."""
        if came != expected:
            self.found.append(f"{what}: expected {_say(expected)} from {source}, the plugin returned {_say(came)}")

    def true(self, holds: object, complaint: str) -> None:
        """Note a complaint unless something holds."""
        if not holds:
            self.found.append(complaint)

    def field(self, model: Model, name: str, expected: object, what: str) -> None:
        """Note a difference in a field; None passes for a field that the venue publishes nowhere."""
        came = getattr(model, name)
        if came is None and f"{type(model).__name__}.{name}" in self.target.profile.unpublished:
            return
        self.equal(f"{what}: {name}", came, expected)

    def fields(self, model: Model, expected: Mapping[str, object], what: str) -> None:
        """Note the differences in several fields; see :meth:`field`."""
        for name, value in expected.items():
            self.field(model, name, value, what)

    # Whole listings

    def same_keys(self, what: str, came: Iterable[str], expected: Iterable[str]) -> None:
        """Note what is missing, what is too much and what is there twice."""
        counted, wanted = Counter(came), set(expected)
        for key in sorted(wanted - counted.keys()):
            self.found.append(f"{what}: {key} is in the ledger and was not returned")
        for key in sorted(counted.keys() - wanted):
            self.found.append(f"{what}: {key} was returned and is not in the ledger")
        for key in sorted(key for key, times in counted.items() if times > 1):
            self.found.append(f"{what}: {key} was returned {counted[key]} times")

    def positions(self, came: Sequence[Position], expected: Mapping[str, ledger.PositionView]) -> None:
        """Compare what a fetch returned with the ledger's open positions."""
        held = {self.target.id_of(symbol): position for symbol, position in expected.items()}
        self.same_keys("positions", (each.market_id for each in came), held)
        for each in came:
            if each.market_id in held:
                self.position(each, held[each.market_id])

    def position(self, came: Position, expected: ledger.PositionView) -> None:
        """Compare one position at the present prices."""
        what = f"position {came.market_id}"
        self.fields(came, {"size": expected.size, "entry_price": expected.entry_price}, what)
        self.equal(f"{what}: side", came.side, PositionSide.LONG if expected.size > 0 else PositionSide.SHORT)
        self.fields(
            came,
            {
                "mark_price": expected.mark_price,
                "unrealized_pnl": expected.unrealized_pnl,
                "accrued_funding": expected.unrealized_funding,
                "realized_pnl": expected.realized_pnl,
                "liquidation_price": expected.liquidation_price,
                "leverage": expected.leverage,
                "margin_mode": expected.margin_mode,
            },
            what,
        )

    def fills(self, came: Sequence[Fill], expected: Sequence[ledger_orders.Fill], what: str = "fills") -> None:
        """Compare fills, in any order, each once."""
        by_id = self._matched(what, [each.fill_id for each in came], [each.id for each in expected])
        for fill in came:
            if fill.fill_id in by_id:
                self.fill(fill, expected[by_id[fill.fill_id]], what)

    def fill(self, came: Fill, expected: ledger_orders.Fill, what: str = "fills") -> None:
        """Compare one fill."""
        kind = came.kind if came.kind in _MOVED and expected.kind in _MOVED else expected.kind
        if f"FillKind:{expected.kind}" in self.target.profile.unpublished:
            kind = came.kind
        self.fields(
            came,
            {
                "market_id": self.target.id_of(expected.market),
                "venue_order_id": expected.order_id or None,
                "client_order_id": expected.client_id,
                "side": expected.side,
                "price": expected.price,
                "size": expected.size,
                "fee": expected.fee,
                "fee_asset": expected.fee_asset,
                "liquidity": expected.liquidity,
                "kind": kind,
                "realized_pnl": expected.realized_pnl,
                "realized_funding": expected.realized_funding,
                "ts_venue": from_ms(expected.created_at_ms),
            },
            f"{what}: {came.fill_id}",
        )

    def payments(
        self, came: Sequence[FundingPayment], expected: Sequence[ledger.FundingPayment], what: str = "funding payments"
    ) -> None:
        """Compare funding payments, in any order, each once."""
        if "FundingPayment.payment_id" in self.target.profile.unpublished:
            # The venue numbers them apart from its ledger: market and moment tell which is which.
            moments = {f"{self.target.id_of(each.market)} {from_ms(each.created_at_ms)}": each.id for each in expected}
            names = {each.payment_id: f"{each.market_id} {each.ts_venue}" for each in came}
            self.true(len(names) == len(came), f"{what}: two payments have one id")
            known = {identity: moments.get(name, name) for identity, name in names.items()}
        else:
            known = {each.payment_id: each.payment_id for each in came}
        by_id = self._matched(what, [known[each.payment_id] for each in came], [each.id for each in expected])
        for payment in came:
            if known[payment.payment_id] not in by_id:
                continue
            true = expected[by_id[known[payment.payment_id]]]
            wanted = {
                "market_id": self.target.id_of(true.market),
                "amount": true.amount,
                "asset": self.target.profile.settle_asset,
                "size": true.size,
                "ts_venue": from_ms(true.created_at_ms),
            }
            self.fields(payment, wanted, f"{what}: {payment.payment_id}")

    def in_order(self, what: str, times: Iterable[datetime]) -> None:
        """Note it when a listing does not come oldest first."""
        listed = list(times)
        self.true(listed == sorted(listed), f"{what} do not come oldest first")

    def _matched(self, what: str, came: Sequence[str], expected: Sequence[str]) -> dict[str, int]:
        """Find for each id that came the ledger's; a plugin may write more around it where kinds have ids apart."""
        places = {identity: number for number, identity in enumerate(expected)}
        known = {each: _core(each, places) for each in came}
        self.same_keys(what, (known[each] or each for each in came), expected)
        return {each: places[identity] for each, identity in known.items() if identity is not None}


def _core(identity: str, known: Mapping[str, int]) -> str | None:
    if identity in known:
        return identity
    tail = identity.rpartition(":")[2]
    return tail if tail in known else None


def _say(value: object) -> str:
    return f"{value:f}" if hasattr(value, "as_tuple") else str(value)


def figures(model: Any) -> dict[str, Any]:
    """Return a model's values without names and without the time at which it came, for comparing two readings."""
    return {name: each for name, each in model.model_dump().items() if name != "ts_received" and type(each) is not str}

"""The plan of faults: which occurrence is hit, how often, and what is refused as nonsense."""

from __future__ import annotations

import pytest

from perpkit.sim.faults import Fault, FaultAction, FaultPlan, FaultTarget, fault_from, fault_to

HTTP, FRAME = FaultTarget.HTTP, FaultTarget.FRAME


def strikes(plan: FaultPlan, name: str, count: int, target: FaultTarget = HTTP) -> list[int]:
    """Return how many faults hit each of so many occurrences."""
    return [len(plan.strike(target, name)) for _ in range(count)]


def test_a_fault_strikes_once_unless_told_otherwise():
    """The first match is hit, later ones are not."""
    plan = FaultPlan()
    fault = plan.add(Fault(action=FaultAction.STATUS, match="POST /orders"))
    assert strikes(plan, "POST /orders", 3) == [1, 0, 0]
    assert fault.is_spent


def test_skip_and_times_choose_the_occurrences():
    """Let two pass, hit two, then no more."""
    plan = FaultPlan()
    plan.add(Fault(action=FaultAction.STATUS, skip=2, times=2))
    assert strikes(plan, "GET /x", 6) == [0, 0, 1, 1, 0, 0]


def test_a_fault_without_end_strikes_always():
    """times=None never is spent."""
    plan = FaultPlan()
    plan.add(Fault(action=FaultAction.GAP, target=FRAME, times=None))
    assert strikes(plan, "trades", 5, FRAME) == [1] * 5


@pytest.mark.parametrize(
    ("match", "name", "hits"),
    [
        ("POST /v1/orders", "POST /v1/orders", 1),
        ("POST /v1/orders", "POST /v1/orders/batch", 0),
        ("POST /v1/orders*", "POST /v1/orders/batch", 1),
        ("* */fills", "GET /v1/fills", 1),
        ("trades.*", "trades.BTC-USD-PERP", 1),
        ("trades.*", "Trades.BTC-USD-PERP", 0),
    ],
)
def test_names_match_with_wildcards_and_case(match, name, hits):
    """Shell wildcards, the whole name, upper and lower case told apart."""
    plan = FaultPlan()
    plan.add(Fault(action=FaultAction.TRUNCATE, match=match))
    assert strikes(plan, name, 1) == [hits]


def test_a_fault_looks_only_at_its_target():
    """A frame of the same name passes a fault for requests, and does not use up its count."""
    plan = FaultPlan()
    plan.add(Fault(action=FaultAction.TRUNCATE))
    assert strikes(plan, "x", 2, FRAME) == [0, 0]
    assert strikes(plan, "x", 1) == [1]


def test_several_faults_can_strike_at_once_and_are_logged():
    """Both come back, in order of planning."""
    plan = FaultPlan()
    plan.add(Fault(action=FaultAction.DELAY, delay_ms=10))
    plan.add(Fault(action=FaultAction.STATUS))
    assert [fault.action for fault in plan.strike(HTTP, "GET /x")] == [FaultAction.DELAY, FaultAction.STATUS]
    assert plan.log == [(HTTP, "GET /x", FaultAction.DELAY), (HTTP, "GET /x", FaultAction.STATUS)]


def test_faults_can_be_taken_back():
    """One by its id, or all; the log stays."""
    plan = FaultPlan()
    first, second = (plan.add(Fault(action=FaultAction.HTML, times=None)) for _ in range(2))
    assert strikes(plan, "GET /x", 1) == [2]
    assert plan.remove(first.id)
    assert not plan.remove(first.id)
    assert plan.faults == [second]
    plan.clear()
    assert strikes(plan, "GET /x", 1) == [0]
    assert len(plan.log) == 2


@pytest.mark.parametrize(
    ("target", "action"),
    [
        (HTTP, FaultAction.GAP),
        (HTTP, FaultAction.MISSING_CHANNEL),
        (FRAME, FaultAction.STATUS),
        (FaultTarget.RPC, FaultAction.HTML),
        (FaultTarget.CONNECT, FaultAction.DUPLICATE),
    ],
)
def test_what_can_not_happen_is_refused(target, action):
    """A fault that would silently do nothing is an error of the test that plans it."""
    with pytest.raises(ValueError, match=action.value):
        FaultPlan().add(Fault(target=target, action=action))


def test_every_action_can_happen_somewhere():
    """No action is there in name only."""
    usable = set()
    for target in FaultTarget:
        for action in FaultAction:
            try:
                FaultPlan().add(Fault(target=target, action=action))
            except ValueError:
                continue
            usable.add(action)
    assert usable == set(FaultAction)


def test_faults_travel_as_json():
    """Out and in again they are the same; unknown fields and values are named."""
    fault = Fault(action=FaultAction.STATUS, match="GET /x", status=429, retry_after="2", times=None)
    fields = {key: value for key, value in fault_to(fault).items() if key not in {"id", "hits"}}
    assert fault_from(fields) == fault
    for wrong in (
        {"action": "status", "sttus": 1},
        {"action": "nothing"},
        {"status": 3},
        {"action": "html", "hits": 1},
    ):
        with pytest.raises(ValueError, match=r"sttus|nothing|action|hits"):
            fault_from(wrong)

"""Order states and legal moves: whatever the order of arrival, what is known in the end is the truth."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from perpkit.core.errors import RejectReason
from perpkit.core.lifecycle import OrderTracker, merge, same_order
from perpkit.core.models import Fill, Order, OrderRef, OrderStatus
from tests.core.builders import BTC, a_fill, an_order, at

D = Decimal
TERMINAL = [status for status in OrderStatus if status.is_terminal]
STANDING = [OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN]


# One telling against what is known


def test_the_first_telling_is_news():
    """Nothing was known, so it is taken as it came."""
    order = an_order()
    assert merge(None, order) == order


def test_a_telling_that_repeats_is_no_news():
    """The same state received again, later, says nothing."""
    assert merge(an_order(), an_order(ts_received=at(5))) is None


@pytest.mark.parametrize("status", TERMINAL)
@pytest.mark.parametrize("later", list(OrderStatus))
def test_a_terminal_status_sticks(status, later):
    """Not even a telling with a higher number changes it."""
    known = an_order(status=status, sequence=5, updated_at=at(5))
    seen = an_order(status=later, sequence=9, updated_at=at(9))
    news = merge(known, seen)
    assert (news or known).status is status


def test_an_end_holds_whichever_is_told_first():
    """A venue whose stamps contradict each other: an order that ended stays so, and the first end told is the end."""
    ended, standing = an_order(status=OrderStatus.CANCELED, sequence=5), an_order(sequence=7)
    for first, second in ((ended, standing), (standing, ended)):
        assert (merge(first, second) or first).status is OrderStatus.CANCELED
    other_end = an_order(status=OrderStatus.EXPIRED, sequence=3)
    assert (merge(ended, other_end) or ended).status is OrderStatus.CANCELED


@pytest.mark.parametrize("status", [OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED])
def test_a_fill_told_after_the_end_is_kept(status):
    """The status stays, the filled size rises: the fill happened."""
    news = merge(an_order(status=status), an_order(filled_size=D("0.4"), average_price=D(62990)))
    assert news is not None
    assert (news.status, news.filled_size, news.average_price) == (status, D("0.4"), D(62990))


def test_a_partial_fill_followed_by_a_cancel_keeps_the_fill():
    """Also when the cancel's own telling forgets about it."""
    partial = an_order(filled_size=D("0.4"), average_price=D(62990), status=OrderStatus.PARTIALLY_FILLED, sequence=2)
    news = merge(partial, an_order(status=OrderStatus.CANCELED, sequence=3))
    assert news is not None
    assert (news.status, news.filled_size, news.average_price) == (OrderStatus.CANCELED, D("0.4"), D(62990))
    assert news.remaining_size == D("0.6")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"sequence": 4}, {"sequence": 7}),
        ({"updated_at": at(4)}, {"updated_at": at(7)}),
        ({"sequence": 4, "updated_at": at(9)}, {"sequence": 7, "updated_at": at(8)}),
    ],
    ids=["by sequence", "by time", "sequence before time"],
)
def test_an_older_telling_never_overwrites(old, new):
    """It adds at most what the newer one left out."""
    newer = an_order(price=D(62000), **new)
    assert merge(newer, an_order(price=D(63000), **old)) is None
    completed = merge(newer, an_order(price=D(63000), trigger_price=D(1), **old))
    assert completed is not None
    assert (completed.price, completed.trigger_price) == (D(62000), D(1))
    assert (merge(an_order(price=D(63000), **old), newer) or newer).price == D(62000)


def test_without_number_or_time_the_telling_further_along_wins():
    """A late acknowledgement does not undo a fill."""
    partial = an_order(status=OrderStatus.PARTIALLY_FILLED, filled_size=D("0.4"))
    assert merge(partial, an_order(status=OrderStatus.PENDING)) is None
    assert merge(partial, an_order()) is None
    news = merge(an_order(status=OrderStatus.PENDING), partial)
    assert news is not None
    assert news.filled_size == D("0.4")


def test_a_changed_price_without_number_or_time_is_taken():
    """Two standing tellings that are equally far along: the one that came last holds."""
    news = merge(an_order(price=D(63000)), an_order(price=D(62000)))
    assert news is not None
    assert news.price == D(62000)


def test_one_number_is_one_state():
    """A second wording under the same number only completes the first, so two sources can't flip an order for ever."""
    stream = an_order(sequence=5, status_message="by stream")
    rest = an_order(sequence=5, status_message="by rest", trigger_price=D(1))
    news = merge(stream, rest)
    assert news is not None
    assert (news.status_message, news.trigger_price) == ("by stream", D(1))
    assert merge(news, rest) is None
    assert merge(news, stream) is None


@pytest.mark.parametrize("status", list(OrderStatus))
def test_unknown_gives_way_to_anything(status):
    """Any telling of the venue is better than none."""
    news = merge(an_order(status=OrderStatus.UNKNOWN), an_order(status=status))
    assert (news or an_order(status=OrderStatus.UNKNOWN)).status is status


@pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.UNKNOWN])
def test_unknown_never_replaces_knowledge(status):
    """Not with a higher number either."""
    known = an_order(status=status, sequence=1)
    news = merge(known, an_order(status=OrderStatus.UNKNOWN, sequence=9))
    assert (news or known).status is status


@pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.UNKNOWN])
def test_pending_may_become_anything(status):
    """Acceptance may be asynchronous, so even a refusal comes after the acknowledgement."""
    pending = an_order(status=OrderStatus.PENDING, sequence=1)
    assert (merge(pending, an_order(status=status, sequence=2)) or pending).status is status


def test_open_never_goes_back_to_pending():
    """A venue may say 'new' again while it amends; the order stands all the same."""
    news = merge(an_order(sequence=1), an_order(status=OrderStatus.PENDING, price=D(62000), sequence=2))
    assert news is not None
    assert (news.status, news.price) == (OrderStatus.OPEN, D(62000))


def test_the_filled_size_never_exceeds_the_size():
    """A telling of more than the whole is cut to the whole."""
    news = merge(an_order(), an_order(filled_size=D("1.5"), status=OrderStatus.FILLED))
    assert news is not None
    assert news.filled_size == D(1)


def test_an_order_that_stands_and_has_a_fill_is_partially_filled():
    """Whatever word the venue uses for it."""
    assert merge(None, an_order(filled_size=D("0.1"))).status is OrderStatus.PARTIALLY_FILLED


def test_ids_and_times_from_any_telling_are_kept():
    """The acknowledgement brings the venue's id, a later telling without our id does not lose it."""
    sent = an_order(venue_order_id=None, status=OrderStatus.PENDING, created_at=at(0))
    told = an_order(client_order_id=None, sequence=3, updated_at=at(2), created_at=at(1))
    news = merge(sent, told)
    assert news is not None
    assert (news.client_order_id, news.venue_order_id) == ("c1", "v1")
    assert (news.created_at, news.updated_at, news.sequence) == (at(0), at(2), 3)


def test_the_reason_goes_with_the_status():
    """The cause of a cancel is not overwritten by words of an earlier state."""
    canceled = an_order(status=OrderStatus.CANCELED, reject_reason=RejectReason.MARGIN, status_message="NO_MARGIN")
    assert merge(canceled, an_order(status_message="resting")) is None
    bare = an_order(status=OrderStatus.CANCELED)
    news = merge(bare, canceled)
    assert news is not None
    assert (news.reject_reason, news.status_message) == (RejectReason.MARGIN, "NO_MARGIN")


def test_an_average_that_belongs_to_less_is_not_kept():
    """The average price of 0.4 says nothing about 0.7."""
    known = an_order(filled_size=D("0.4"), average_price=D(62990), sequence=1)
    news = merge(known, an_order(filled_size=D("0.7"), sequence=2))
    assert news is not None
    assert news.average_price is None


# Following


def test_a_fill_before_the_acknowledgement_is_kept():
    """It waits for its order and is counted in when that is heard of."""
    tracker = OrderTracker()
    assert tracker.observe_fill(a_fill(size="0.4")) is None
    order = tracker.observe(an_order(status=OrderStatus.PENDING))
    assert order is not None
    assert (order.status, order.filled_size, order.average_price) == (
        OrderStatus.PARTIALLY_FILLED,
        D("0.4"),
        D(63000),
    )


def test_a_fill_after_the_cancel_was_acknowledged_is_kept():
    """The order stays canceled."""
    tracker = OrderTracker()
    tracker.observe(an_order(status=OrderStatus.CANCELED))
    order = tracker.observe_fill(a_fill(size="0.4"))
    assert order is not None
    assert (order.status, order.filled_size) == (OrderStatus.CANCELED, D("0.4"))


def test_the_same_fill_counts_once():
    """By its id, from whichever source."""
    tracker = OrderTracker()
    tracker.observe(an_order())
    assert tracker.observe_fill(a_fill("f1")) is not None
    assert tracker.observe_fill(a_fill("f1", ts_received=at(9))) is None
    assert tracker.get(an_order().ref).filled_size == D("0.4")


def test_a_fill_that_the_order_already_tells_of_is_no_news():
    """The two are the same execution, not two."""
    tracker = OrderTracker()
    tracker.observe(an_order(filled_size=D("0.4"), average_price=D(63000)))
    assert tracker.observe_fill(a_fill(size="0.4")) is None


def test_fills_that_add_up_make_the_order_filled():
    """0.4 at 63000 and 0.6 at 62000: (25200 + 37200) / 1 = 62400."""
    tracker = OrderTracker()
    tracker.observe(an_order())
    tracker.observe_fill(a_fill("f1", "0.4", "63000"))
    order = tracker.observe_fill(a_fill("f2", "0.6", "62000"))
    assert order is not None
    assert (order.status, order.filled_size, order.average_price) == (OrderStatus.FILLED, D(1), D(62400))


def test_fills_that_add_up_to_more_than_the_size_are_cut_to_it():
    """0.7 twice on an order of 1: the whole is filled, and at what average can't be told."""
    tracker = OrderTracker()
    tracker.observe(an_order())
    tracker.observe_fill(a_fill("f1", "0.7"))
    order = tracker.observe_fill(a_fill("f2", "0.7"))
    assert order is not None
    assert (order.status, order.filled_size, order.average_price) == (OrderStatus.FILLED, D(1), None)


def test_an_order_made_larger_while_its_last_fill_was_under_way_stands_again():
    """Only our sum said 'filled'; the venue's newer word, with the larger size, holds."""
    tracker = OrderTracker()
    tracker.observe(an_order(sequence=1))
    assert tracker.observe_fill(a_fill(size="1")).status is OrderStatus.FILLED
    order = tracker.observe(an_order(size=D(2), sequence=2))
    assert order is not None
    assert (order.status, order.filled_size, order.remaining_size) == (OrderStatus.PARTIALLY_FILLED, D(1), D(1))


def test_an_order_known_by_our_id_first_and_the_venues_later_is_one():
    """Both names lead to it, and a fill under either counts once."""
    tracker = OrderTracker()
    tracker.observe(an_order(venue_order_id=None, status=OrderStatus.PENDING))
    tracker.observe(an_order())
    tracker.observe_fill(a_fill("f1", client_order_id=None))
    tracker.observe_fill(a_fill("f1", venue_order_id=None))
    assert len(tracker) == 1
    for ref in (OrderRef(market_id=BTC, venue_order_id="v1"), OrderRef(market_id=BTC, client_order_id="c1")):
        assert tracker.get(ref).filled_size == D("0.4")


def test_two_entries_that_turn_out_to_be_one_order_are_joined():
    """Told by our id here and by the venue's there, until a telling bears both."""
    tracker = OrderTracker()
    tracker.observe(an_order(venue_order_id=None, status=OrderStatus.PENDING))
    tracker.observe(an_order(client_order_id=None, sequence=2))
    tracker.observe_fill(a_fill("f1", "0.1", client_order_id=None))
    tracker.observe_fill(a_fill("f2", "0.2", venue_order_id=None))
    assert len(tracker) == 2
    order = tracker.observe(an_order(sequence=3))
    assert len(tracker) == 1
    assert order.filled_size == D("0.3")


def test_a_stray_fill_that_found_its_order_is_not_forgotten_by_itself():
    """Its own entry went into the order's; making room later must not stumble over it."""
    tracker = OrderTracker(keep_closed=1)
    tracker.observe_fill(a_fill(venue_order_id=None))
    tracker.observe(an_order(client_order_id=None))
    assert tracker.observe(an_order()).filled_size == D("0.4")
    for number in range(5):
        tracker.observe(an_order(venue_order_id=f"x{number}", client_order_id=None, status=OrderStatus.FILLED))
    assert {order.venue_order_id for order in tracker} == {"v1", "x4"}


def test_our_id_used_again_does_not_revive_an_order_that_is_over():
    """The venue's id tells them apart, and our id then means the later one."""
    tracker = OrderTracker()
    tracker.observe(an_order(status=OrderStatus.CANCELED, venue_order_id="v1"))
    again = tracker.observe(an_order(venue_order_id="v2"))
    assert again is not None
    assert again.status is OrderStatus.OPEN
    assert tracker.get(OrderRef(market_id=BTC, venue_order_id="v1")).status is OrderStatus.CANCELED
    assert tracker.get(OrderRef(market_id=BTC, client_order_id="c1")).venue_order_id == "v2"
    assert tracker.observe(an_order(status=OrderStatus.OPEN, venue_order_id="v1")) is None
    assert tracker.get(OrderRef(market_id=BTC, client_order_id="c1")).venue_order_id == "v2"


def test_the_same_ids_on_another_market_are_another_order():
    """Some venues number their orders for each market."""
    tracker = OrderTracker()
    tracker.observe(an_order())
    tracker.observe(an_order(market_id="ETH-USD-PERP@paradex", status=OrderStatus.CANCELED))
    assert len(tracker) == 2
    assert [order.market_id for order in tracker.open_orders()] == [BTC]


def test_an_order_without_any_id_is_refused():
    """It could be any order."""
    with pytest.raises(ValueError, match="neither venue_order_id nor client_order_id"):
        OrderTracker().observe(an_order(venue_order_id=None, client_order_id=None))


def test_a_fill_without_an_order_is_left_alone():
    """A liquidation belongs to no order of ours."""
    tracker = OrderTracker()
    assert tracker.observe_fill(a_fill(venue_order_id=None, client_order_id=None)) is None
    assert len(tracker) == 0


def test_memory_is_bounded_and_standing_orders_stay():
    """Of those that are over the longest untouched go first; one that stands never goes."""
    tracker = OrderTracker(keep_closed=2)
    tracker.observe(an_order(venue_order_id="standing", client_order_id="standing"))
    for name in ("a", "b", "c"):
        tracker.observe(an_order(venue_order_id=name, client_order_id=name, status=OrderStatus.FILLED))
        tracker.observe_fill(a_fill("touch", venue_order_id="a", client_order_id="a"))
    known = {order.venue_order_id for order in tracker}
    assert known == {"standing", "a", "c"}
    for number in range(50):
        tracker.observe_fill(a_fill(f"stray{number}", venue_order_id=f"x{number}", client_order_id=None))
    assert len(tracker) == 3
    assert tracker.get(OrderRef(market_id=BTC, client_order_id="b")) is None
    assert tracker.get(OrderRef(market_id=BTC, client_order_id="standing")) is not None
    assert len(tracker._by_key) == sum(len(keys) for keys in tracker._keys.values())


# Whatever the order of arrival


@dataclass
class History:
    """What truly happened to one order, in order, and how it ended."""

    orders: list[Order]
    fills: list[Fill]

    @property
    def truth(self) -> Order:
        return self.orders[-1]


@st.composite
def histories(draw: st.DrawFn, *, stamped: bool | None = None) -> History:
    """
    A true history: pending, open, fills and (where stamped) amendments, and one of the ends that an order can have.

    Each telling says what the venue knew then; whether it bears a number, a time, or both ids is drawn.
    """
    if stamped is None:
        stamped = draw(st.booleans())
    size, filled, value = D(10), D(0), D(0)
    price = D(100)
    status = OrderStatus.PENDING
    orders: list[Order] = []
    fills: list[Fill] = []
    style = draw(st.sampled_from(["sequence", "time", "both"])) if stamped else "none"
    partial = draw(st.sampled_from([[], [("v1", None), (None, "c1")]]))
    clock = 0
    step = draw(st.integers(1, 7))  # numbers grow but are not consecutive

    def tell() -> None:
        nonlocal clock
        clock += step
        ids = draw(st.sampled_from([("v1", "c1"), *partial])) if orders else ("v1", "c1")
        orders.append(
            an_order(
                venue_order_id=ids[0],
                client_order_id=ids[1],
                status=status,
                size=size,
                price=price,
                filled_size=filled,
                average_price=value / filled if filled else None,
                sequence=clock if style in {"sequence", "both"} else None,
                updated_at=at(clock) if style in {"time", "both"} else None,
                created_at=at(0),
                ts_received=at(clock),
            )
        )

    tell()
    status = OrderStatus.OPEN
    tell()
    for number in range(draw(st.integers(0, 5))):
        if stamped and draw(st.booleans()):
            price, size = D(draw(st.integers(90, 110))), D(draw(st.integers(int(filled) + 1, 20)))
            tell()
        if filled < size - 1:
            part = D(draw(st.integers(1, int(size - filled) - 1)))
            at_price = D(draw(st.integers(90, 110)))
            filled, value, status = filled + part, value + part * at_price, OrderStatus.PARTIALLY_FILLED
            fills.append(a_fill(f"f{number}", str(part), str(at_price), client_order_id=None))
            tell()
    end = draw(st.sampled_from([*TERMINAL, None]))
    if end is OrderStatus.REJECTED and filled:
        end = OrderStatus.CANCELED
    if end is OrderStatus.FILLED:
        part = size - filled
        filled, value = size, value + part * price
        fills.append(a_fill("last", str(part), str(price), client_order_id=None))
    if end is not None:
        status = end
        tell()
    return History(orders, fills)


def ends_as(order: Order, truth: Order) -> None:
    """Assert that all that matters is as it truly was."""
    assert (order.status, order.filled_size, order.size, order.price) == (
        truth.status,
        truth.filled_size,
        truth.size,
        truth.price,
    )
    assert order.average_price == truth.average_price
    assert (order.venue_order_id, order.client_order_id) == ("v1", "c1")


@given(histories(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_with_repeats_ends_in_the_truth(history: History, chance: random.Random):
    """Tellings and fills, shuffled and doubled: the last word is the venue's, and news never goes backwards."""
    arrivals: list[Order | Fill] = [*history.orders, *history.fills]
    arrivals += chance.choices(arrivals, k=len(arrivals))
    chance.shuffle(arrivals)
    note(
        f"arrivals: {[(item.status, item.sequence) if isinstance(item, Order) else item.fill_id for item in arrivals]}"
    )
    tracker = OrderTracker()
    shown: list[Order] = []
    in_two_halves = False  # told under one id here and the other there, before anything bore both
    for item in arrivals:
        news = tracker.observe(item) if isinstance(item, Order) else tracker.observe_fill(item)
        if news is not None:
            assert not same_order(shown[-1] if shown else None, news)
            shown.append(news)
        in_two_halves |= len(tracker) > 1
    assert len(tracker) == 1
    ends_as(tracker.get(OrderRef(market_id=BTC, venue_order_id="v1")), history.truth)
    ends_as(shown[-1], history.truth)
    filled = [order.filled_size for order in shown]
    assert all(order.filled_size <= order.size for order in shown)
    if len({order.size for order in history.orders}) == 1 and not in_two_halves:
        assert filled == sorted(filled)
        over = [order.is_terminal for order in shown]
        assert over == sorted(over), "an order that was over stood again"


@given(histories(), st.randoms(use_true_random=False))
def test_merging_alone_ends_in_the_truth_in_any_order(history: History, chance: random.Random):
    """Without a tracker too, for callers that keep one order themselves."""
    arrivals = history.orders * 2
    chance.shuffle(arrivals)
    known: Order | None = None
    for seen in arrivals:
        known = merge(known, seen) or known
    ends_as(known, history.truth)
    assert all(merge(known, seen) is None for seen in history.orders)


@given(histories(stamped=True))
def test_in_true_order_every_change_is_shown_once(history: History):
    """Nothing is lost on the good path, and repeating it all is silent."""
    tracker = OrderTracker()
    for seen in history.orders:
        tracker.observe(seen)
        current = tracker.get(seen.ref)
        assert (current.status, current.filled_size, current.size) == (seen.status, seen.filled_size, seen.size)
    for item in history.fills:
        assert tracker.observe_fill(item) is None
    for seen in history.orders:
        assert tracker.observe(seen) is None

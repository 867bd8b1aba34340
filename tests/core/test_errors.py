"""The error tree: drawn as it is, carried across processes, with its attributes."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest

from perpkit.core import errors
from perpkit.core.errors import OrderRejectedError, PerpkitError, RejectReason, VenueError


def tree_of(cls: type[PerpkitError]) -> set[type[PerpkitError]]:
    """Return a class with all below it, of the module itself."""
    below = {cls}
    for each in cls.__subclasses__():
        if each.__module__ == errors.__name__:
            below |= tree_of(each)
    return below


TREE = sorted(tree_of(PerpkitError), key=lambda cls: cls.__name__)
every_error = pytest.mark.parametrize("cls", TREE, ids=lambda cls: cls.__name__)


def drawn() -> dict[str, str | None]:
    """Return each class of the drawing with the one it stands under."""
    parents: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.split(maxsplit=1)[0] if line.strip() else ""
        depth = len(line) - len(line.lstrip())
        if not name.endswith("Error") or depth == 0:
            continue
        while above and above[-1][0] >= depth:
            above.pop()
        parents[name] = above[-1][1] if above else None
        above.append((depth, name))
    return parents


def test_the_tree_is_drawn_as_it_is():
    """Every class of the module stands in the docstring, under its parent, and nothing else does."""
    real = {cls.__name__: None if cls is PerpkitError else cls.__bases__[0].__name__ for cls in TREE}
    assert drawn() == real
    defined = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert defined == set(real)


def built(cls: type[PerpkitError]) -> PerpkitError:
    """Build an error with every attribute that it can have."""
    extras = {
        "code": "4xx",
        "status": 418,
        "data": {"why": "teapot"},
        "retry_after": timedelta(seconds=3),
        "reason": RejectReason.MARGIN,
        "payload": "<html>",
    }
    error = cls("it happened", venue="paradex", operation="place_order", client_order_id="c1")
    mine = {name: value for name, value in extras.items() if hasattr(error, name)}
    return cls("it happened", venue="paradex", operation="place_order", client_order_id="c1", **mine)


@every_error
def test_every_error_says_where_and_which(cls: type[PerpkitError]):
    """Venue, operation and order are attributes, and the text begins with the first two."""
    error = built(cls)
    assert (error.venue, error.operation, error.client_order_id) == ("paradex", "place_order", "c1")
    assert (error.message, str(error)) == ("it happened", "paradex place_order: it happened")
    bare = cls("it happened")
    assert (bare.venue, bare.operation, bare.client_order_id, str(bare)) == (None, None, None, "it happened")


def pickled(error: PerpkitError) -> PerpkitError:
    """Return it as another process would get it."""
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes


@every_error
@pytest.mark.parametrize("carry", [pickled, copy.copy, copy.deepcopy])
def test_every_error_survives_the_way_to_another_process(cls: type[PerpkitError], carry):
    """With all its attributes; keyword-only arguments are lost by default."""
    error = built(cls)
    back = carry(error)
    assert type(back) is cls
    assert back.__dict__ == error.__dict__
    assert (str(back), back.args) == (str(error), error.args)


@every_error
def test_every_error_is_documented(cls: type[PerpkitError]):
    """By a docstring of its own, not its parent's."""
    assert cls.__doc__
    assert all(cls.__doc__ != base.__doc__ for base in cls.__bases__)


@pytest.mark.parametrize(
    ("cls", "attributes"),
    [
        (VenueError, {"code": "4xx", "status": 418, "data": {"why": "teapot"}}),
        (errors.RateLimitError, {"retry_after": timedelta(seconds=3), "status": 418}),
        (errors.LocalRateLimitError, {"retry_after": timedelta(seconds=3)}),
        (OrderRejectedError, {"reason": RejectReason.MARGIN, "code": "4xx"}),
        (errors.BadGatewayError, {"status": 418}),
        (errors.DecodeError, {"payload": "<html>"}),
        (errors.HandshakeRefusedError, {"status": 418, "retry_after": timedelta(seconds=3)}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_errors_carry_what_a_caller_decides_by(cls: type[PerpkitError], attributes: dict):
    """The venue's own code, how long to wait, why it was refused."""
    error = built(cls)
    assert {name: getattr(error, name) for name in attributes} == attributes


def test_a_rejection_without_a_reason_is_other():
    """Never None: a caller may compare it at once."""
    assert OrderRejectedError("no").reason is RejectReason.OTHER


def test_what_is_safe_to_repeat_is_one_class():
    """Nothing that may have taken effect stands under NotSentError, and an unknown outcome is no transport error."""
    not_sent = {cls.__name__ for cls in tree_of(errors.NotSentError)}
    assert not_sent == {"NotSentError", "ConnectError", "LocalRateLimitError"}
    assert not issubclass(errors.OutcomeUnknownError, errors.TransportError | VenueError)

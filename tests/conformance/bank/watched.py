"""The good plugin's stream, watched while it runs, so that the streams of broken plugins can be its shadows."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from perpkit.core.streams.protocol import Frame

Outcome = tuple[bool, Any]
"""Whether it is an answer, and the answer or what was raised."""

Told = Callable[[str, tuple[Any, ...], Outcome], None]
"""Takes a method, its arguments and its outcome."""

_CALLED = ("endpoint", "topics", "sign_in", "subscribe", "unsubscribe", "keepalive", "decode")
_DECODING = frozenset({"decode", "decoder", "changed", "event", "frame"})


def spoiled_in(stream_type: type, plain: type) -> frozenset[str]:
    """Return which methods of the core's protocol a spoiled stream has otherwise than the plain one of its shape."""
    own = {name for each in stream_type.__mro__[: stream_type.__mro__.index(plain)] for name in vars(each)}
    return frozenset("decode" if name in _DECODING else name for name in own if not name.startswith("_"))


def watched(stream: Any, told: Told) -> Any:
    """Return a stream that hands everything on and tells of each call."""
    made: dict[str, Any] = {"__getattr__": lambda self, name: getattr(stream, name)}
    if hasattr(stream, "traits"):
        made["traits"] = property(lambda self: stream.traits)
    for name in _CALLED:
        if hasattr(stream, name):
            made[name] = _handed_on(getattr(stream, name), name, told)
    if hasattr(stream, "decoder"):
        made["decoder"] = _decoder(stream, told)
    return type("Watched", (), made)()


def _handed_on(method: Callable[..., Any], name: str, told: Told) -> Callable[..., Any]:
    signature = inspect.signature(method)

    def arguments(args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, ...]:
        return signature.bind(*args, **given).args

    if inspect.iscoroutinefunction(method):

        async def awaited(self: Any, *args: Any, **given: Any) -> Any:
            outcome: Outcome = (False, None)
            try:
                outcome = (True, await method(*args, **given))
            except BaseException as error:
                outcome = (False, error)
                raise
            finally:
                told(name, arguments(args, given), outcome)
            return outcome[1]

        return awaited

    def called(self: Any, *args: Any, **given: Any) -> Any:
        outcome: Outcome = (False, None)
        try:
            outcome = (True, method(*args, **given))
        except BaseException as error:
            outcome = (False, error)
            raise
        finally:
            told(name, arguments(args, given), outcome)
        return outcome[1]

    return called


def _decoder(stream: Any, told: Told) -> Callable[[Any, str], Any]:
    numbers = itertools.count()

    def decoder(self: Any, connection: str) -> Any:
        # A connection that was made again is another one.
        good, number = stream.decoder(connection), next(numbers)

        def decode(frame: Frame, received: datetime) -> Sequence[Any]:
            outcome: Outcome = (False, None)
            try:
                outcome = (True, good(frame, received))
            except BaseException as error:
                outcome = (False, error)
                raise
            finally:
                told("decode", (frame, received, connection, number), outcome)
            return outcome[1]

        return decode

    return decoder

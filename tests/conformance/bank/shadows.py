"""
In which tests a bug shows at all, found out while the good plugin runs.

Whenever the good plugin has answered a call, the method of that name of each broken plugin is called as its shadow:
what it asks of the good one is answered by what just came, and nothing that it does reaches the world. Where it asks
for the same and answers the same, in every call of a test, the test would have seen no difference: it needs not be run
over that plugin. Whatever can't be judged like that counts as a difference.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from perpkit.core.models import Model
from tests.conformance.bank.fields import FieldsRead, changed
from tests.conformance.bank.watched import Outcome, spoiled_in, watched

SHADOWED = frozenset({"__init__", "__repr__"})
"""The methods with two underscores that shadows have, too."""


_BY_ADDRESS = 4
"""How many arguments tell of a frame that was read by the decoder of a connection; elsewhere they are two."""


class _DiffersError(BaseException):
    """A shadow does what the good plugin did not; no handler of a broken plugin may catch that."""


@dataclass(slots=True)
class _Played:
    """What a shadow may ask of the good plugin, and what it is then told."""

    name: str
    given: tuple[Any, ...]
    outcome: Outcome
    asked: int = 0

    def answer(self, name: str, given: tuple[Any, ...]) -> Any:
        if name != self.name or not _same(given, self.given):
            raise _DiffersError(name)
        self.asked += 1
        is_answer, value = self.outcome
        if not is_answer:
            raise value
        return copy.copy(value) if isinstance(value, list) else value


@dataclass(slots=True)
class _Spoiled:
    """A broken plugin's stream beside the good one, and which of its methods are other ones."""

    stream: Any
    methods: frozenset[str]
    decoders: dict[int, Any] = field(default_factory=dict)

    def called(self, name: str, given: tuple[Any, ...]) -> Any:
        if len(given) != _BY_ADDRESS:
            return getattr(self.stream, name)(*given)
        frame, received, connection, number = given
        if number not in self.decoders:
            self.decoders[number] = self.stream.decoder(connection)
        return self.decoders[number](frame, received)


class Shadows:
    """
    The shadows of a venue's broken plugins.

    Args:
        broken: The classes of those that have one, by name.
        good: The class of the good one.
        seen: Where the names of those are noted that differed.
        fields: What is read of the markets meanwhile.
    """

    def __init__(self, broken: Mapping[str, type], good: type, seen: set[str], fields: FieldsRead) -> None:
        self._seen = seen
        self._fields = fields
        self._in_fields: dict[str, frozenset[str]] = {}
        self._of: dict[str, list[tuple[str, type]]] = defaultdict(list)
        self._wires: list[tuple[str, type]] = []
        self._playing: _Played | None = None
        self._streams: list[tuple[str, type, type, frozenset[str]]] = []
        self._made: dict[tuple[int, str], tuple[Any, Any]] = {}
        for name, plugin in broken.items():
            shadow = type(name, (plugin,), {"__getattr__": _of_the_good, "_is_shadow_of": None})
            plain = _plain_stream(plugin)
            if plain is not None:
                own = plugin.stream_type  # type: ignore[attr-defined]
                self._streams.append((name, shadow, own, spoiled_in(own, plain)))
            if is_wire(plugin):
                self._wires.append((name, shadow))
            for method in overridden(plugin, good):
                by_wire, by_stream = method == "__init__", method == "open_stream"
                if not (by_wire and is_wire(plugin)) and not (by_stream and plain is not None):
                    self._of[method].append((name, shadow))

    def named(self, method: str) -> set[str]:
        """Return the broken plugins that have this method otherwise."""
        return {bug for bug, _ in self._of.get(method, ())}

    def forget(self) -> None:
        """Let go of the shadows of a test that is over."""
        self._made.clear()
        self._in_fields.clear()

    def told_apart_by_fields(self) -> set[str]:
        """Return the broken plugins of whose markets a field is another one, and has been read."""
        return {bug for bug, fields in self._in_fields.items() if self._fields.any_of(fields)}

    def played(self, name: str, given: tuple[Any, ...]) -> tuple[bool, Any]:
        """Return whether a shadow is asking, and what it is told."""
        if self._playing is None:
            return False, None
        return True, self._playing.answer(name, given)

    def refuse(self) -> None:
        """Say that what comes now may not be done by a shadow."""
        if self._playing is not None:
            raise _DiffersError

    def compare(self, plugin: Any, name: str, given: tuple[Any, ...], outcome: Outcome) -> None:
        """Let each shadow that has this method otherwise answer too, and note those that do otherwise."""
        with self._fields.paused():
            for bug, shadow in self._of.get(name, ()):
                if bug not in self._seen and self._differs(self._shadow(plugin, shadow), name, given, outcome):
                    self._seen.add(bug)

    def compare_wire(self, client: Any, method: str, path: str, given: dict[str, Any], outcome: Outcome) -> None:
        """Let each broken plugin that changes requests or answers do so, and note those that do."""
        with self._fields.paused():
            for bug, shadow in self._wires:
                if bug not in self._seen and self._changes(self._shadow(client, shadow), method, path, given, outcome):
                    self._seen.add(bug)

    def opened(self, plugin: Any, stream: Any) -> Any:
        """Return a stream that was opened, so watched that the broken plugins' streams are its shadows."""
        made = []
        for bug, shadow, stream_type, spoiled in self._streams:
            if "traits" in spoiled:
                self._seen.add(bug)
            made.append((bug, _Spoiled(stream_type(stream, self._shadow(plugin, shadow)), spoiled)))

        def told(name: str, given: tuple[Any, ...], outcome: Outcome) -> None:
            with self._fields.paused():
                for bug, spoiled in made:
                    if (
                        bug not in self._seen
                        and name in spoiled.methods
                        and self._spoils(spoiled, name, given, outcome)
                    ):
                        self._seen.add(bug)

        return watched(stream, told)

    def _spoils(self, spoiled: _Spoiled, name: str, given: tuple[Any, ...], outcome: Outcome) -> bool:
        if not outcome[0] and not isinstance(outcome[1], Exception):
            return True
        good = spoiled.stream.good
        told = self._playing = _Played(name, given[:2] if name == "decode" else given, outcome)
        spoiled.stream.good = _GoodStream(good, self)
        try:
            came: Outcome = (True, _run(spoiled.called(name, given)))
        except Exception as error:  # noqa: BLE001 - what it raises is compared
            came = (False, error)
        except BaseException:  # noqa: BLE001 - it goes no further
            return True
        finally:
            self._playing = None
            spoiled.stream.good = good
        return told.asked != 1 or not _same_frames(came, outcome)

    def _changes(self, shadow: Any, method: str, path: str, given: dict[str, Any], outcome: Outcome) -> bool:
        self._playing = _Played("", (), outcome)
        try:
            mine = {name: copy.copy(value) for name, value in given.items()}
            if shadow._sent(method, path, mine) != (method, path, given):
                return True
            # An error of the transport passes through no broken plugin.
            is_answer, reply = outcome
            return is_answer and shadow._came(method, path, reply) != reply
        except BaseException:  # noqa: BLE001 - whatever it is, the good plugin does not do it
            return True
        finally:
            self._playing = None

    def _differs(self, shadow: Any, name: str, given: tuple[Any, ...], outcome: Outcome) -> bool:
        if not _is_plain(outcome):
            return True
        good = shadow._is_shadow_of
        if name == "__init__":
            # What it changes of the good plugin there is its bug.
            object.__setattr__(shadow, "_is_shadow_of", _Untouchable())
        played = self._playing = _Played(name, given, outcome)
        try:
            came: Outcome = (True, _run(getattr(shadow, name)(*map(_own, given))))
        except Exception as error:  # noqa: BLE001 - what it raises is compared
            came = (False, error)
        except BaseException:  # noqa: BLE001 - as above; it goes no further
            return True
        finally:
            self._playing = None
            object.__setattr__(shadow, "_is_shadow_of", good)
        if name == "__init__" and vars(shadow).keys() != {"_is_shadow_of"}:
            return True
        if played.asked != 1:
            return True
        if _same(came, outcome):
            return False
        fields = changed(came, outcome)
        if fields is None:
            return True
        bug = type(shadow).__name__
        self._in_fields[bug] = self._in_fields.get(bug, frozenset()) | fields
        return False

    def _shadow(self, of: Any, shadow: type) -> Any:
        key = (id(of), shadow.__name__)
        if key not in self._made:
            made = object.__new__(shadow)
            object.__setattr__(made, "_is_shadow_of", of)
            # What it is of is kept, too: nothing else may get its id.
            self._made[key] = (of, made)
        return self._made[key][1]


class _GoodStream:
    """The good stream as the shadow of another may ask it."""

    def __init__(self, stream: Any, shadows: Shadows) -> None:
        self._stream = stream
        self._shadows = shadows

    def __getattr__(self, name: str) -> Any:
        if name == "decoder":
            # It is asked for once, and reads all of the connection's frames.
            return lambda connection: lambda frame, received: self._shadows.played("decode", (frame, received))[1]
        if inspect.iscoroutinefunction(getattr(self._stream, name)):

            async def awaited(*given: Any) -> Any:
                return self._shadows.played(name, given)[1]

            return awaited
        return lambda *given: self._shadows.played(name, given)[1]


class _Untouchable:
    def __getattr__(self, name: str) -> Any:
        raise _DiffersError(name)


def _plain_stream(plugin: type) -> type | None:
    """Return the stream of a shape whose bugs are in their streams, before it is spoiled."""
    for each in plugin.__mro__:
        if "open_stream" in vars(each):
            found: type | None = vars(each).get("stream_type")
            return found
    return None


def overridden(plugin: type, good: type) -> frozenset[str]:
    """Return the methods of the good plugin that a broken one has otherwise."""
    return frozenset(
        name
        for each in plugin.__mro__[: plugin.__mro__.index(good)]
        for name, value in vars(each).items()
        if inspect.isfunction(value) and hasattr(good, name) and (not name.startswith("__") or name in SHADOWED)
    )


def touches_the_world(plugin: type, good: type) -> bool:
    """Tell whether what a broken plugin has of its own may do more than ask, answer and remember."""
    spoiled = getattr(plugin, "stream_type", object)
    for each in (*plugin.__mro__[: plugin.__mro__.index(good)], *spoiled.__mro__[:-1]):
        for value in vars(each).values():
            if inspect.isfunction(value):
                used = (value.__globals__.get(name) for name in value.__code__.co_names)
                if any(isinstance(one, logging.Logger) or getattr(one, "__name__", "") in _WORLD for one in used):
                    return True
    return False


_WORLD = frozenset({"aiohttp", "asyncio", "pickle", "socket", "subprocess", "threading", "time", "urllib"})


def is_wire(plugin: type) -> bool:
    return hasattr(plugin, "_sent") and hasattr(plugin, "_came")


def _of_the_good(self: Any, name: str) -> Any:
    return getattr(self._is_shadow_of, name)


def _own(value: Any) -> Any:
    return copy.copy(value) if isinstance(value, list) else value


def _run(answer: Any) -> Any:
    """Run a coroutine that must not wait for anything."""
    if not inspect.iscoroutine(answer):
        return answer
    try:
        answer.send(None)
    except StopIteration as done:
        return done.value
    finally:
        answer.close()
    raise _DiffersError("it waits")


def _is_plain(outcome: Outcome) -> bool:
    """Tell whether an outcome can be compared: models, lists of them, and errors. Not: streams, and being canceled."""
    is_answer, value = outcome
    if not is_answer:
        return isinstance(value, Exception)
    rows = value if isinstance(value, list | tuple) else (value,)
    return all(each is None or isinstance(each, Model | Exception | str | int) for each in rows)


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same to the last digit, and of the same types."""
    if one is other:
        return True
    # An error is only the same as itself.
    if type(one) is not type(other) or isinstance(one, BaseException):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) and (not isinstance(one, Model) or repr(one) == repr(other))


def _same_frames(one: Outcome, other: Outcome) -> bool:
    """Tell whether two outcomes of a stream's method are the same, in whatever kind of sequence."""
    return one[0] == other[0] and _alike(one[1], other[1])


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, msgspec.Struct) and type(one) is type(other):
        return all(_alike(getattr(one, name), getattr(other, name)) for name in one.__struct_fields__)
    return _same(one, other)

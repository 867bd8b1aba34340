"""Writing wrappers shortly: what is awaited runs once, what is not is closed quietly."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

from perpkit.core.errors import RiskLimitError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.middleware import around
from tests.core.middleware.rig import Rig, buy


class Note:
    """A wrapper that writes down when it is passed."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    @hookimpl(wrapper=True)
    def place_order(self, intent):
        inner = yield
        return around(inner, self._note, intent)

    async def _note(self, call, intent):
        self.log.append(f"{self.name} in {intent.size}")
        try:
            return await call
        finally:
            self.log.append(f"{self.name} out")


class Refuse:
    """A wrapper that lets nothing through."""

    @hookimpl(wrapper=True)
    def place_order(self):
        inner = yield
        return around(inner, self._refuse)

    async def _refuse(self, call):
        raise RiskLimitError("not today")


async def test_wrappers_nest_the_first_outermost():
    """What goes in first comes out last, and the venue is reached once."""
    log: list[str] = []
    async with Rig(Note("outer", log), Note("inner", log)) as rig:
        order = await rig.venue.place_order(buy("0.5"))
        assert log == ["outer in 0.5", "inner in 0.5", "inner out", "outer out"]
        assert (order.venue_order_id, rig.reached) == ("v1", ["place_order"])


@pytest.mark.parametrize("depth", [0, 1, 3])
async def test_a_call_that_is_not_let_through_never_runs_and_leaves_nothing_behind(depth: int):
    """However many wrappers lie beneath: no coroutine is left that nobody awaited."""
    log: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with Rig(Refuse(), *(Note(str(n), log) for n in range(depth))) as rig:
            with pytest.raises(RiskLimitError, match="not today"):
                await rig.venue.place_order(buy())
            assert rig.reached == []
        gc.collect()
    assert log == []


async def test_an_error_goes_out_through_every_wrapper():
    """The very same error."""
    log: list[str] = []
    async with Rig(Note("outer", log)) as rig:
        rig.plugin.failure = error = RiskLimitError("from within")
        with pytest.raises(RiskLimitError) as caught:
            await rig.venue.place_order(buy())
        assert caught.value is error
        assert log[-1] == "outer out"


async def test_cancellation_reaches_the_call_within():
    """And passes out through the wrappers."""
    log: list[str] = []
    async with Rig(Note("outer", log)) as rig:
        rig.hold()
        task = asyncio.create_task(rig.venue.place_order(buy()))
        await rig.inside()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["outer in 1", "outer out"]
        rig.plugin.hold = None

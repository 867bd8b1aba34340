"""
Writing a wrapper shortly.

pluggy never awaits: what an async hook's wrapper gets from its ``yield`` is the inner call, not yet begun. A wrapper
returns an awaitable around it::

    class Patience:
        @hookimpl(wrapper=True)
        def fetch_markets(self):
            inner = yield
            return around(inner, self._patiently)

        async def _patiently(self, call):
            await asyncio.sleep(1)
            return await call

A wrapper names those of the hook's arguments that it needs, spelt as in the specification. One that must keep the inner
call from running simply does not await it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Concatenate, Generic, ParamSpec, TypeAlias, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

Wrapped: TypeAlias = Generator[None, Awaitable[T], Awaitable[T]]
"""What a wrapper of an async hook is, to a type checker."""


class Around(Awaitable[T], Generic[T]):
    """
    A call with something around it, begun when it is awaited.

    Whatever of the inner call was not begun is closed in the end, through all wrappers, so that none is left behind as
    a coroutine that nobody awaited.
    """

    __slots__ = ("_body", "_inner")

    def __init__(self, inner: Awaitable[T], body: Callable[[Awaitable[T]], Awaitable[T]]) -> None:
        self._inner = inner
        self._body = body

    def __await__(self) -> Generator[Any, Any, T]:
        try:
            return (yield from self._body(self._inner).__await__())
        finally:
            self.close()

    def close(self) -> None:
        """Give up what was not begun. Harmless after the call."""
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()


def around(
    inner: Awaitable[T],
    body: Callable[Concatenate[Awaitable[T], P], Awaitable[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Around[T]:
    """
    Return an awaitable that runs ``body(inner, *args, **kwargs)``.

    Args:
        inner: What the wrapper's ``yield`` gave.
        body: An async function; it awaits ``inner`` once, or not at all.
    """
    return Around(inner, lambda call: body(call, *args, **kwargs))

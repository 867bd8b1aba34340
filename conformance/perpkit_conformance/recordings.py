"""What was sent and received in one test: through the core's transport, and as the local exchange saw it arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from perpkit.core.transport.recorder import Direction, FrameRecord, Record, ReplyRecord, RequestRecord

_BACK_DOOR = "/_control"


class Recordings:
    """Keeps every record, in order; give it to ``open_venue`` as a recorder."""

    def __init__(self) -> None:
        self.all: list[Record] = []

    def __call__(self, record: Record) -> None:
        self.all.append(record)

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self.all))

    def requests(self, method: str | None = None, path: str | None = None) -> list[RequestRecord]:
        """Return the requests, of one method or with a text in their path."""
        return [
            each
            for each in self.all
            if isinstance(each, RequestRecord)
            and (method is None or each.method == method)
            and (path is None or path in each.path)
        ]

    def replies(self) -> list[ReplyRecord]:
        """Return what came back to requests."""
        return [each for each in self.all if isinstance(each, ReplyRecord)]

    def sent_frames(self) -> list[FrameRecord]:
        """Return the frames that were sent."""
        return [each for each in self.all if isinstance(each, FrameRecord) and each.direction is Direction.SENT]

    def received_frames(self) -> list[FrameRecord]:
        """Return the frames that came."""
        return [each for each in self.all if isinstance(each, FrameRecord) and each.direction is Direction.RECEIVED]

    @contextmanager
    def during(self) -> Iterator[Recordings]:
        """Give the records of a ``with`` block, filled in at its end."""
        part, begin = Recordings(), len(self.all)
        try:
            yield part
        finally:
            part.all = self.all[begin:]


class Arrivals:
    """
    What reached the local exchange, counted at its door, the back door left out; ``addresses`` are of handshakes.
    ``tokens`` are the different values of ``Authorization``, which no recording holds.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.handshakes = 0
        self.addresses: list[str] = []
        self.user_agents: set[str] = set()
        self.tokens: set[str] = set()

    def watch(self, local: object) -> None:
        """Stand at the door of a server that has ``add_routes(app)``; call it before the server starts."""
        add_routes: Callable[[web.Application], None] | None = getattr(local, "add_routes", None)
        if add_routes is None:
            msg = f"{type(local).__name__} has no add_routes(app); its arrivals can't be counted"
            raise TypeError(msg)

        def watched(app: web.Application) -> None:
            # Outermost, so that what a fault swallows is counted too.
            app.middlewares.insert(0, self._middleware())
            add_routes(app)

        local.add_routes = watched  # type: ignore[attr-defined]

    def _middleware(self) -> Any:
        @web.middleware
        async def count(request: web.Request, handler: Callable[[web.Request], Any]) -> Any:
            if not request.path.startswith(_BACK_DOOR):
                self.user_agents.add(request.headers.get("User-Agent", ""))
                self.tokens.add(request.headers.get("Authorization", ""))
                if request.headers.get("Upgrade", "").lower() == "websocket":
                    self.handshakes += 1
                    self.addresses.append(f"ws://{request.host}{request.path_qs}")
                else:
                    self.requests[request.method, request.path] += 1
            return await handler(request)

        return count

"""
A write-ahead journal: what is about to be sent stands on the disk before it leaves, so that a program that was killed
in the middle can find out what became of its orders.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from perpkit.core.capabilities import VenueDescription
from perpkit.core.clock import Clock, SystemClock
from perpkit.core.errors import (
    CapabilityError,
    ConfigError,
    InvalidOrderError,
    NotSentError,
    OutcomeUnknownError,
    PerpkitError,
    RejectReason,
    RiskLimitError,
    UnknownMarketError,
    VenueError,
)
from perpkit.core.hookspecs import hookimpl
from perpkit.core.middleware.around import Wrapped, around
from perpkit.core.middleware.journal_file import Command, JournalFile, Outcome, Record
from perpkit.core.middleware.one_venue import OneVenue
from perpkit.core.models import Market, Order, OrderAmendment, OrderIntent, OrderRef

if TYPE_CHECKING:
    from perpkit.core.venue import Venue

log = logging.getLogger(__name__)

_NEVER_LEFT = (NotSentError, InvalidOrderError, UnknownMarketError, RiskLimitError, CapabilityError, ConfigError)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """
    A command that may have taken effect.

    Attributes:
        order: The order it is about.
        sent_at: When it was about to leave, aware.
        intent: What was to be placed; None where an order was to be changed.
    """

    order: OrderRef
    sent_at: datetime
    intent: OrderIntent | None


class Journal(OneVenue):
    """
    Writes every order and amendment to a file before it is sent, and what came of it afterwards.

    Keep it innermost, so that only what really is about to leave is written. After a restart, with the same file::

        journal = Journal("orders.jsonl")
        async with perpkit.open_venue("paradex", middleware=[journal]) as venue:
            for result in await journal.recover(venue):
                ...

    A command whose record can't be written is not sent (:class:`NotSentError`). An outcome that can't be written is
    logged, and the order stays among :attr:`unresolved`: the file never says more than is so.

    Args:
        path: The file, one for each account; made if it is not there.
        sync: Wait for the disk before anything is sent. That takes as long as the disk takes; without it, a machine
            that loses its power may lose the last records.

    Raises:
        ConfigError: It can't be opened, another process has it open, or a line of it can't be read.
    """

    def __init__(self, path: str | os.PathLike[str], *, sync: bool = True, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._file = JournalFile(path, sync=sync)
        self._written_for = {record.venue for record in self._file.records}
        self._open: dict[tuple[str, Command], Unresolved] = {}
        try:
            for record in self._file.records:
                self._note(record)
        except BaseException:
            self._file.close()
            raise

    @property
    def unresolved(self) -> list[Unresolved]:
        """What may have taken effect and is not known to, or not to, have; oldest first."""
        return list(self._open.values())

    async def recover(
        self, venue: Venue, *, within: timedelta = timedelta(seconds=30)
    ) -> list[Order | OutcomeUnknownError]:
        """
        Find out what became of everything unresolved, and write it down. Only reads; nothing is sent again.

        Args:
            within: How long to look for each.

        Returns:
            For each of :attr:`unresolved`, in order: the order as it is (``rejected`` with reason ``never_received``
            where it provably never was), or the error that says that it is still not known; that one stays unresolved.
        """
        results: list[Order | OutcomeUnknownError] = []
        for each in self.unresolved:
            try:
                found = await venue.resolve_order(
                    each.order if each.intent is None else each.intent, sent_at=each.sent_at, within=within
                )
            except OutcomeUnknownError as error:
                results.append(error)
                continue
            await self._learn([found])
            results.append(found)
        return results

    def close(self) -> None:
        """Let the file go. It happens by itself when the venue is closed."""
        self._file.close()

    @hookimpl(wrapper=True)
    def describe_venue(self) -> Generator[None, VenueDescription, VenueDescription]:
        """Refuse a file that was written for another venue."""
        described = yield from super().describe_venue()
        if others := self._written_for - {described.name}:
            was = ", ".join(sorted(others))
            raise ConfigError(
                f"the journal {self._file.path} is of {was}; give {described.name} one of its own", venue=described.name
            )
        return described

    # commands --------------------------------------------------------------------------------------------------

    @hookimpl(wrapper=True)
    def place_order(self, intent: OrderIntent) -> Wrapped[Order]:
        """Write the order down, send it, write down what came."""
        inner = yield
        return around(inner, self._place, intent)

    async def _place(self, call: Awaitable[Order], intent: OrderIntent) -> Order:
        await self._announce("place_order", [self._placing(intent)])
        return await self._told(call, _id_of(intent), "place")

    @hookimpl(wrapper=True)
    def place_orders(self, intents: Sequence[OrderIntent]) -> Wrapped[list[Order | PerpkitError]]:
        """Write all down, send them, write down what came of each."""
        inner = yield
        return around(inner, self._place_all, intents)

    async def _place_all(
        self, call: Awaitable[list[Order | PerpkitError]], intents: Sequence[OrderIntent]
    ) -> list[Order | PerpkitError]:
        await self._announce("place_orders", [self._placing(intent) for intent in intents])
        ids = [_id_of(intent) for intent in intents]
        try:
            results = await call
        except PerpkitError as error:
            await self._settle([(each, "place", error) for each in ids])
            raise
        # Where the numbers differ the face refuses the answer; those without a result stay unresolved.
        await self._settle([(each, "place", result) for each, result in zip(ids, results, strict=False)])
        return results

    @hookimpl(wrapper=True)
    def amend_order(self, order: Order, amendment: OrderAmendment) -> Wrapped[Order]:
        """Write the change down, send it, write down what came. An order without a client order id passes as it is."""
        inner = yield
        return around(inner, self._amend, order, amendment)

    async def _amend(self, call: Awaitable[Order], order: Order, amendment: OrderAmendment) -> Order:
        if order.client_order_id is None:
            return await call
        record = self._sending(
            order.client_order_id,
            "amend",
            market_id=order.market_id,
            amendment=amendment.model_dump(mode="json", exclude_none=True),
        )
        await self._announce("amend_order", [record])
        return await self._told(call, order.client_order_id, "amend")

    # what reads tell -------------------------------------------------------------------------------------------

    @hookimpl(wrapper=True)
    def fetch_order(self, order: OrderRef) -> Wrapped[Order]:
        """Take note of an order that turns up."""
        inner = yield
        return around(inner, self._read_one)

    async def _read_one(self, call: Awaitable[Order]) -> Order:
        found = await call
        await self._learn([found])
        return found

    @hookimpl(wrapper=True)
    def fetch_open_orders(self, market: Market | None) -> Wrapped[list[Order]]:
        """Take note of orders that turn up."""
        inner = yield
        return around(inner, self._read_all)

    @hookimpl(wrapper=True)
    def fetch_order_history(self, market: Market | None) -> Wrapped[list[Order]]:
        """Take note of orders that turn up."""
        inner = yield
        return around(inner, self._read_all)

    async def _read_all(self, call: Awaitable[list[Order]]) -> list[Order]:
        found = await call
        await self._learn(found)
        return found

    @hookimpl(wrapper=True)
    def stop(self) -> Wrapped[None]:
        """Close the file after the venue."""
        inner = yield
        return around(inner, self._stop)

    async def _stop(self, call: Awaitable[None]) -> None:
        try:
            await call
        finally:
            await asyncio.to_thread(self.close)

    # writing ---------------------------------------------------------------------------------------------------

    def _placing(self, intent: OrderIntent) -> Record:
        return self._sending(
            _id_of(intent),
            "place",
            market_id=intent.market_id,
            intent=intent.model_dump(mode="json", exclude_defaults=True),
        )

    def _sending(self, client_order_id: str, command: Command, **what: Any) -> Record:
        return Record(
            at=self._clock.now(),
            event="sending",
            command=command,
            venue=self._venue or "",
            client_order_id=client_order_id,
            **what,
        )

    async def _announce(self, operation: str, records: Sequence[Record]) -> None:
        """Write what is about to be sent; what can't be written is not sent."""
        try:
            await self._file.append(records)
        except OSError as error:
            raise NotSentError(
                f"the journal {self._file.path} can't be written ({error.strerror}), so nothing was sent",
                venue=self._venue,
                operation=operation,
            ) from error
        for record in records:
            self._note(record)

    async def _told(self, call: Awaitable[Order], client_order_id: str, command: Command) -> Order:
        try:
            order = await call
        except PerpkitError as error:
            await self._settle([(client_order_id, command, error)])
            raise
        await self._settle([(client_order_id, command, order)])
        return order

    async def _learn(self, orders: Iterable[Order]) -> None:
        by_id = {order.client_order_id: order for order in orders}
        known = [(each, command, by_id[each]) for each, command in self._open if each in by_id]
        if known:
            await self._settle(known)

    async def _settle(self, results: Iterable[tuple[str, Command, Order | PerpkitError]]) -> None:
        """Write down what came of commands."""
        records = [
            Record(
                at=self._clock.now(),
                event="outcome",
                command=command,
                venue=self._venue or "",
                client_order_id=client_order_id,
                outcome=_outcome_of(result),
                detail=type(result).__name__ if isinstance(result, PerpkitError) else result.venue_order_id,
            )
            for client_order_id, command, result in results
        ]
        try:
            await self._file.append(records)
        except OSError as error:
            log.error(  # noqa: TRY400 - the reason is the whole story
                "%s: the outcome of %s could not be written (%s); it stays unresolved",
                self._file.path,
                ", ".join(record.client_order_id for record in records),
                error.strerror,
            )
            return
        for record in records:
            self._note(record)

    def _note(self, record: Record) -> None:
        key = record.client_order_id, record.command
        if record.event == "outcome":
            if record.outcome != "unknown":
                self._open.pop(key, None)
            return
        try:
            self._open[key] = Unresolved(
                order=OrderRef(market_id=record.market_id or "", client_order_id=record.client_order_id),
                sent_at=record.at,
                intent=None if record.intent is None else OrderIntent.model_validate(record.intent),
            )
        except (ValidationError, InvalidOrderError) as error:
            raise ConfigError(
                f"{self._file.path}: what was sent as {record.client_order_id} can't be read: {error}"
            ) from error


def _id_of(intent: OrderIntent) -> str:
    if intent.client_order_id is None:
        # The face chooses one before any hook is called.
        raise InvalidOrderError("an order without a client_order_id can't be journaled")
    return intent.client_order_id


def _outcome_of(result: Order | PerpkitError) -> Outcome:
    """Read what came of a command. Whatever is neither the venue's answer nor known to have stayed here is unknown."""
    if isinstance(result, Order):
        return "never_received" if result.reject_reason is RejectReason.NEVER_RECEIVED else "done"
    if isinstance(result, _NEVER_LEFT):
        return "not_sent"
    return "rejected" if isinstance(result, VenueError) else "unknown"

"""
From transactions to hashes, and from hashes to fates: signing, nonces, sending, and what the sequencer made of it.

A yes of the API means that it has taken the transaction, no more. The sequencer carries it out up to 300 ms later, or
refuses it; that is told by the streams and by ``GET /api/v1/tx``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

from perpkit.adapters.lighter import endpoints, schema
from perpkit.adapters.lighter.config import VENUE
from perpkit.adapters.lighter.decode_account import TX_FAILED, TX_PENDING
from perpkit.adapters.lighter.errors import INVALID_NONCE, reason_of
from perpkit.adapters.lighter.session import Session
from perpkit.adapters.lighter.signing.nonce import NonceLane
from perpkit.adapters.lighter.signing.tx import CreateOrder, Signed, Tx
from perpkit.core.before_sending import before_sending
from perpkit.core.clock import Clock
from perpkit.core.errors import (
    DecodeError,
    NotSentError,
    OrderRejectedError,
    OutcomeUnknownError,
    PerpkitError,
    RateLimitError,
    VenueError,
)
from perpkit.core.outcome import order_outcome
from perpkit.core.transport import loose_json
from perpkit.core.transport.ratelimit import Priority
from perpkit.core.transport.redact import Redactor

log = logging.getLogger(__name__)

_ATTEMPTS = 3
"""How often a transaction is signed anew when the venue finds its nonce wrong, which proves that it was not taken."""
_LAG = 0.4
"""Seconds to wait where the venue hands out again the nonce that it has just refused: the tiers' latency, and some."""

_ROOM_WITHIN = timedelta(seconds=10)
"""How long a transaction may wait for room in the budget."""
_REST = timedelta(seconds=1)
"""How long the budget rests after a refusal for too many that does not say how long."""

_FIRST_LOOK = 0.05
_LONGEST_PAUSE = 1.0


class Transactions:
    """
    Sends for one account.

    Every transaction of a key waits for the one before it to be answered: nonces have no gaps, and what is sent later
    can't overtake.
    """

    def __init__(self, session: Session, clock: Clock, redactor: Redactor) -> None:
        self._session = session
        self._rest = session.rest
        self._clock = clock
        self._redactor = redactor

    async def send(
        self,
        txs: Sequence[Tx],
        *,
        operation: str,
        concerning: Sequence[int] = (),
        client_order_id: str | None = None,
        is_order_command: bool = False,
        priority: Priority = Priority.NORMAL,
    ) -> list[str]:
        """
        Sign and send one transaction, or several as a batch, and return their hashes.

        Args:
            concerning: Numbers of the orders that they are about: they go through the key that sent those.
            is_order_command: A refusal is a rejection of the order.

        Raises:
            NotSentError: The nonce could not be read. Nothing was sent.
            VenueError: The API refused; nothing was done.
            OutcomeUnknownError: They may have been taken.
        """
        self._session.require_keys()
        await self._session.signer.open()
        with needed("the account could not be found"):
            account = await self._session.account_index()
        await self._room(priority)
        lane = self._session.lanes.pick(concerning)
        async with lane.turn(priority):
            for attempt in range(1, _ATTEMPTS + 1):
                if attempt > 1:
                    await self._room(priority)
                nonce = await _nonce(lane)
                signed = [
                    await self._session.signer.sign(tx, account=account, key_index=lane.key_index, nonce=nonce + number)
                    for number, tx in enumerate(txs)
                ]
                try:
                    hashes = await self._post(signed, operation, client_order_id, is_order_command, priority)
                except VenueError as error:
                    if isinstance(error, RateLimitError):
                        self._session.limiter.penalize(endpoints.SENDS, error.retry_after or _REST)
                    if error.code != INVALID_NONCE:
                        raise
                    lane.forget("the venue found it wrong")
                    if attempt == _ATTEMPTS:
                        raise
                    if await _nonce(lane) == nonce:
                        lane.forget("the venue gave the one again that it had refused")
                        await self._clock.sleep(_LAG)
                    continue
                except NotSentError:
                    raise
                except BaseException:
                    lane.forget("the outcome of the last one is unknown")
                    raise
                lane.used(len(txs))
                self._note(txs, lane)
                return hashes
        raise AssertionError("the loop returns or raises")

    async def _room(self, priority: Priority) -> None:
        """Wait for room in the budget of transactions, cancels first."""
        await self._session.limiter.acquire({endpoints.SENDS: 1}, priority=priority, max_wait=_ROOM_WITHIN)

    async def _post(
        self,
        signed: Sequence[Signed],
        operation: str,
        client_order_id: str | None,
        is_order_command: bool,
        priority: Priority,
    ) -> list[str]:
        # Rate limits are among the refusals that use no nonce, so they come before anything is done (documentation).
        with order_outcome(
            venue=VENUE, operation=operation, client_order_id=client_order_id, refused_before_processing=True
        ):
            if len(signed) == 1:
                hashes = [
                    await self._rest.send_tx(
                        signed[0],
                        operation=operation,
                        is_order_command=is_order_command,
                        priority=priority,
                        client_order_id=client_order_id,
                    )
                ]
            else:
                hashes = await self._rest.send_tx_batch(
                    signed, operation=operation, is_order_command=is_order_command, priority=priority
                )
            if hashes != [tx.hash for tx in signed]:
                msg = "the answer names other transactions than those that were sent"
                raise DecodeError(msg, venue=VENUE, operation=operation)
            return hashes

    def _note(self, txs: Sequence[Tx], lane: NonceLane) -> None:
        for tx in txs:
            if isinstance(tx, CreateOrder):
                self._session.lanes.remember(tx.client_index, lane)

    # Fates

    async def settled(self, tx_hash: str, *, operation: str, client_order_id: str | None = None) -> None:
        """
        Wait until the sequencer has carried a transaction out.

        Raises:
            OrderRejectedError: It refused, for a reason that the message names.
            OutcomeUnknownError: It has not said within ``settle_timeout``.
        """
        deadline = self._clock.monotonic() + self._session.settings.settle_timeout.total_seconds()
        pause = _FIRST_LOOK
        failure: PerpkitError | None = None
        while True:
            try:
                row = await self._rest.get_tx(tx_hash)
            except PerpkitError as error:
                # Whatever keeps us from looking says nothing of the transaction, which was taken.
                row, failure = None, error
            if row is not None and row.status != TX_PENDING:
                words = self._redactor.text(self.application_error(row))
                if row.status == TX_FAILED or words:
                    raise _refused(words, operation, client_order_id)
                return
            if self._clock.monotonic() + pause >= deadline:
                told = f" (the last look failed: {failure.message})" if failure is not None else ""
                msg = f"the venue took it and has not said whether it was carried out; look again later{told}"
                raise OutcomeUnknownError(msg, venue=VENUE, operation=operation, client_order_id=client_order_id)
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def application_error(self, row: schema.Tx) -> str:
        """Return why the sequencer refused a transaction, in its words; empty where it did not say."""
        if not row.event_info:
            return ""
        what = f"event_info of {endpoints.TX}"
        return loose_json.read(schema.EventInfo, row.event_info, what=what, venue=VENUE, redactor=self._redactor).ae


def needed(failed: str) -> AbstractContextManager[None]:
    """Hold what a transaction is made of; see :func:`~perpkit.core.before_sending.before_sending`."""
    return before_sending(failed, venue=VENUE, also=(RateLimitError,))


async def _nonce(lane: NonceLane) -> int:
    with needed("the nonce could not be read"):
        return await lane.next()


def _refused(words: str, operation: str, client_order_id: str | None) -> OrderRejectedError:
    return OrderRejectedError(
        f"the sequencer refused it: {words or 'no reason given'}",
        reason=reason_of(words),
        code=words or None,
        venue=VENUE,
        operation=operation,
        client_order_id=client_order_id,
    )

"""What a command needs before it is sent: where that fails, the command is known not to have been sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from perpkit.core.errors import DecodeError, NotSentError, PerpkitError, TransportError


@contextmanager
def before_sending(failed: str, *, venue: str, also: tuple[type[PerpkitError], ...] = ()) -> Iterator[None]:
    """
    Hold what comes before a command's own request: signing in, a price or a fee that has to be read.

    Without it a failure there would count as one of the command itself, whose outcome is then unknown.

    Args:
        failed: What is said of it: ``signing in failed``.
        also: Further errors that say nothing more here than that the command was not sent.

    Raises:
        NotSentError: In place of a transport failure, or of an answer that can't be read or computed with. Other errors
            pass.
    """
    kinds: tuple[type[PerpkitError], ...] = (TransportError, DecodeError, *also)
    try:
        yield
    except NotSentError:
        raise
    except kinds as error:
        raise NotSentError(f"not sent: {failed} ({error.message})", venue=venue) from error
    except ArithmeticError as error:
        # A price of 1e999999999 is a number that can be read, and no more than that.
        why = f"{type(error).__name__} in computing with what was answered"
        raise NotSentError(f"not sent: {failed} ({why})", venue=venue) from error

"""What can come of a rule, and the words by which a test tells the run of a gap."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What came of a rule or of one of its tests."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_OFFERED = "not offered"
    """The venue itself has nothing of the kind; the profile says so, with the reason."""
    NOT_IMPLEMENTED = "not implemented"
    """The venue may have it, the plugin does not claim it."""
    EXEMPT = "exempt"
    """Waived until a date, with a reason; and it does fail without the waiver."""
    NOT_RUN = "not run"
    """No test of it ran, or none could."""

    @property
    def counts_as_met(self) -> bool:
        """Whether a tier may stand on it."""
        return self in {Outcome.PASSED, Outcome.NOT_OFFERED, Outcome.EXEMPT}


RULE, NEEDS, GAP, REASON, WAIVED, CLAIMS, VENUE, SEED, PLAN = (
    f"perpkit-{name}" for name in ("rule", "needs", "gap", "reason", "waived", "claims", "venue", "seed", "plan")
)
"""Names of the properties by which a test's report carries all this, also out of a worker process."""

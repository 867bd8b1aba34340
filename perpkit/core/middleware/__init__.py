"""Wrappers that fit any venue. Pass them to ``open_venue(..., middleware=[DryRun()])``; the first is outermost."""

from perpkit.core.middleware.around import Around, around
from perpkit.core.middleware.dry_run import DryRun
from perpkit.core.middleware.journal import Journal, Unresolved
from perpkit.core.middleware.metrics import Metrics
from perpkit.core.middleware.risk_limits import RiskLimits

__all__ = ["Around", "DryRun", "Journal", "Metrics", "RiskLimits", "Unresolved", "around"]

"""Names of moments in the engine's work, before and after what it writes down and asks a cloud for.

:attr:`Engine.reach` is called with them: there tests let the engine die, or let something happen beside it. They are no
list of all steps: that is read from the source, by `tests/engine/steps.py`.
"""

from __future__ import annotations

EXPAND_PLANNED = "expand.planned"
EXPAND_BEFORE_SENT = "expand.before_sent"
EXPAND_SENT = "expand.sent"
EXPAND_CREATED = "expand.created"
EXPAND_ACCEPTED = "expand.accepted"
EXPAND_BEFORE_FINISH = "expand.before_finish"
EXPAND_FINISHED = "expand.finished"
SHRINK_PLANNED = "shrink.planned"
SHRINK_BEFORE_SENT = "shrink.before_sent"
SHRINK_SENT = "shrink.sent"
SHRINK_DELETED = "shrink.deleted"
SHRINK_ACCEPTED = "shrink.accepted"
SHRINK_BEFORE_FINISH = "shrink.before_finish"
SHRINK_FINISHED = "shrink.finished"
TEND_DESCRIBED = "tend.described"
TEND_RECORDED = "tend.recorded"
TEND_DELETED = "tend.deleted"
TEND_DELETE_RECORDED = "tend.delete_recorded"
RECONCILE_LISTED = "reconcile.listed"
RECONCILE_RECORDED = "reconcile.recorded"

"""The moments at which the engine may die: one before and after every commit and every call to a cloud.

:attr:`Engine.reach` is called with these names. The crash tests walk this list, so a step that is not in it has no
test.
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

EXPAND_POINTS = (
    EXPAND_PLANNED,
    EXPAND_BEFORE_SENT,
    EXPAND_SENT,
    EXPAND_CREATED,
    EXPAND_ACCEPTED,
    TEND_DESCRIBED,
    TEND_RECORDED,
    EXPAND_BEFORE_FINISH,
    EXPAND_FINISHED,
)
SHRINK_POINTS = (
    SHRINK_PLANNED,
    SHRINK_BEFORE_SENT,
    SHRINK_SENT,
    SHRINK_DELETED,
    SHRINK_ACCEPTED,
    TEND_DESCRIBED,
    TEND_RECORDED,
    SHRINK_BEFORE_FINISH,
    SHRINK_FINISHED,
)
OTHER_POINTS = (TEND_DELETED, TEND_DELETE_RECORDED, RECONCILE_LISTED, RECONCILE_RECORDED)

"""Which earlier image of its lot an image is compared with."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, bindparam, select

from semwatchd.adapters.sql.tables import job
from semwatchd.core.job import Earlier, Job, JobState

#: What is not there to be compared with. Whatever else came before is: its file is whole, measured or not.
_UNFIT = (JobState.QUARANTINED, JobState.CANCELLED, JobState.DUPLICATE)

_EARLIER = select(job.c.path, job.c.size, job.c.mtime_ns).where(
    job.c.plan_hash == bindparam("its_plan"),
    job.c.tool == bindparam("its_tool"),
    job.c.lot.is_not_distinct_from(bindparam("its_lot")),
    job.c.id < bindparam("this_id"),
    job.c.state.not_in(_UNFIT),
)
_OF_ORDER = {
    "first_of_lot": _EARLIER.order_by(job.c.id).limit(1),
    "previous": _EARLIER.order_by(job.c.id.desc()).limit(1),
}
NO_LOT = "the lot is not known, so there is no first image of it to compare with"


def with_earlier(connection: Connection, claimed: Job) -> Job:
    """Name the image that ``claimed`` is compared with, if its plan asks for an earlier one.

    Earlier is what came into the journal before: that order does not hang on how fast the workers are, so a
    second attempt is compared with the same image.
    """
    plan, context = claimed.plan, claimed.context
    if plan.against not in _OF_ORDER or "registration" not in plan.stages:
        return claimed
    if plan.against == "first_of_lot" and context.lot is None:
        return replace(claimed, warnings=(*claimed.warnings, NO_LOT))
    place = {
        "its_plan": plan.plan_hash,
        "its_tool": context.tool,
        "its_lot": context.lot,
        "this_id": claimed.id,
    }
    row = connection.execute(_OF_ORDER[plan.against], place).first()
    if row is None:
        return claimed
    return replace(claimed, reference=Earlier(path=row.path, size=row.size, mtime_ns=row.mtime_ns))

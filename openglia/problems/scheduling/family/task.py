"""What the offline researcher works on: this family, by the command that agents use."""

from dataclasses import replace

from openglia import paths
from openglia.problems.routing.family.space import Family
from openglia.problems.routing.family.task import TASK as ROUTING
from openglia.problems.routing.hooks import REPLICA_SCHEDULER
from openglia.problems.scheduling.family.policy import ADMISSION, FAMILY
from openglia.problems.scheduling.family.rendering import explain, render
from openglia.problems.scheduling.presentation import PRESENTATION

SCHEDULERS = Family(
    FAMILY,
    ADMISSION,
    "The scheduler assumes that future outputs resemble past ones where it learns from them.",
    render,
    explain,
)
TASK = replace(
    ROUTING,
    space=SCHEDULERS,
    file=str(paths.shown(paths.VIDUR / "vidur" / REPLICA_SCHEDULER.file)),
    presentation=PRESENTATION,
    columns={"restarted": ROUTING.columns["restarted"]},
)

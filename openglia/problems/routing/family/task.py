"""What the offline researcher works on: this family, by the command that agents use."""

from collections.abc import Callable

from openglia.presenting.score import Line
from openglia.problems.routing.evaluation.giving_up import FEW
from openglia.problems.routing.family.space import ROUTERS
from openglia.problems.routing.presentation import PRESENTATION
from openglia.problems.space import GivingUp, OfflineTask

_FOLDER = "environment/vidur"
_SCORE = f"cd {_FOLDER} && ./run_all.sh --json --no-requests"


def _column(key: str, spell: Callable[[float], str]) -> Callable[[Line], str]:
    return lambda result: "n/a" if result.get(key) is None else spell(result[key])


TASK = OfflineTask(
    space=ROUTERS,
    file=f"{_FOLDER}/vidur/scheduler/global_scheduler/ai_global_scheduler.py",
    command=_SCORE,
    several=_SCORE,
    giving_up=GivingUp("--stop-if-worse", FEW),
    subset="--seeds",
    presentation=PRESENTATION,
    columns={
        "restarted": _column("restarted_share", lambda share: f"{100 * share:.1f} %"),
        "time in queue": _column("queue_time_mean", "{:.2f} s".format),
    },
)

"""What routers can be scored by and held to, by their names in a benchmark's file.

Each is a figure of one seed's requests (``evaluation.statistics``); a score is its mean over seeds.
"""

from openglia.presenting.objective import Objective
from openglia.problems.routing.benchmark.definition import DEFAULT

OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective(DEFAULT, "mean response time", "s"),
        *(Objective(f"p{n}_response_time", f"p{n} response time", "s") for n in (50, 90, 99)),
        Objective("mean_ttft", "mean TTFT", "s"),
        *(Objective(f"p{n}_ttft", f"p{n} TTFT", "s") for n in (50, 90, 99)),
        Objective("mean_tpot", "mean TPOT", "s", decimals=4),
        Objective("goodput", "goodput", "requests/s", lower_is_better=False, decimals=3),
        Objective("slo_attainment", "SLO attainment", "", lower_is_better=False, decimals=4),
    )
}

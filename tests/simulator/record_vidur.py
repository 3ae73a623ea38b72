"""Records results of the real Vidur: ``python tests/simulator/record_vidur.py``.

Needs an installed Vidur (``./setup.sh``). Trains predictors on a small profile of ours (a minute,
kept in ``environment/cache``), runs Vidur on the named cases of ``vidur_cases.py``, and writes
``recordings/``: the tables used, and per case its cluster, trace, router and results. Training is
the same on every machine only as far as scikit-learn is, so record tables and results together.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from vidur_cases import FIELDS, RECORDINGS, named_cases, run_vidur  # noqa: E402

from openglia.problems.routing.hardware.tables import Tables  # noqa: E402
from openglia.problems.routing.vidur import checkout, predictors  # noqa: E402


def main() -> None:
    commit = checkout.PINNED_COMMIT
    cases = named_cases()
    predictors.train(cases[0].cluster, commit)
    results = run_vidur(cases, commit)
    RECORDINGS.mkdir(exist_ok=True)
    tables = Tables.read(predictors.tables(cases[0].cluster))
    np.savez_compressed(RECORDINGS / "tables.npz", **tables.views)
    arrays, index = {}, []
    for case, result in zip(cases, results, strict=True):
        entry = {
            "name": case.name,
            "router": case.router,
            "seed": case.seed,
            "cluster": asdict(case.cluster),
            "error": result.get("error"),
            "end_time": result.get("end_time"),
        }
        index.append(entry)
        for name, values in asdict(case.trace).items():
            arrays[f"{case.name}/{name}"] = values
        if "error" in result:
            print(f"{case.name}: {result['error']}")
            continue
        for name in FIELDS:
            arrays[f"{case.name}/{name}"] = np.array(result[name])
        print(f"{case.name}: {len(case.trace)} requests, {sum(result['num_restarts'])} restarts")
    np.savez_compressed(RECORDINGS / "results.npz", **arrays)
    text = json.dumps({"commit": commit, "cases": index}, indent=1)
    (RECORDINGS / "cases.json").write_text(text + "\n")


if __name__ == "__main__":
    main()

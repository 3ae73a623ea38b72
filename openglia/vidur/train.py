"""Trains Vidur's predictors in the current folder: ``python -P -m openglia.vidur.train SEED ...``.

Runs in a process of its own, with a pristine Vidur on its path. What follows the seed are the
options of Vidur's command line. Prints a line for each trained or predicted operator.
"""

import os
import random
import sys

OPERATORS = 12  # each is trained, then predicted


def main() -> None:
    seed, sys.argv[1:] = int(sys.argv[1]), sys.argv[2:]
    import numpy as np
    from vidur.config import SimulationConfig
    from vidur.execution_time_predictor import ExecutionTimePredictorRegistry
    from vidur.execution_time_predictor.sklearn_execution_time_predictor import (
        SklearnExecutionTimePredictor,
    )
    from vidur.scheduler import GlobalSchedulerRegistry  # noqa: F401  declares our types

    def told(name: str) -> None:
        inner = getattr(SklearnExecutionTimePredictor, name)

        def outer(self: object, model_name: str, *args: object, **kwargs: object) -> object:
            result = inner(self, model_name, *args, **kwargs)
            print(f"{name} {model_name}", flush=True)
            return result

        setattr(SklearnExecutionTimePredictor, name, outer)

    told("_store_model_in_cache")
    told("_store_model_predication_cache")

    config = SimulationConfig.create_from_cli_args()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  scikit-learn draws from the global generator
    ExecutionTimePredictorRegistry.get(
        config.execution_time_predictor_config.get_type(),
        predictor_config=config.execution_time_predictor_config,
        replica_config=config.cluster_config.replica_config,
        replica_scheduler_config=config.cluster_config.replica_scheduler_config,
        metrics_config=config.metrics_config,
    )
    sys.stdout.flush()
    os._exit(0)  # every file is written; freeing a million table entries takes seconds


if __name__ == "__main__":
    main()

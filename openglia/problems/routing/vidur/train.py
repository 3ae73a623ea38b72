"""Trains Vidur's predictors in the current folder: ``python -P -m (this module) SEED ...``.

Runs in a process of its own, with a pristine Vidur on its path. What follows the seed are the
options of Vidur's command line. Prints a line for each trained or predicted operator. Imports
inside functions are of Vidur and what it brings, which are there in this process alone.
"""

import copy
import os
import random
import sys
from typing import Any

DONE = "done:"  # begins a line about an operator, once trained and once predicted


def main() -> None:
    seed, sys.argv[1:] = int(sys.argv[1]), sys.argv[2:]
    import numpy as np
    from vidur.config import SimulationConfig
    from vidur.execution_time_predictor import ExecutionTimePredictorRegistry
    from vidur.execution_time_predictor.sklearn_execution_time_predictor import (
        SklearnExecutionTimePredictor,
    )
    from vidur.scheduler import GlobalSchedulerRegistry  # noqa: F401  declares our types

    store_model = SklearnExecutionTimePredictor._store_model_in_cache
    store_prediction = SklearnExecutionTimePredictor._store_model_predication_cache

    def store_slim(self: object, model_name: str, model_hash: str, model: Any) -> None:
        # A simulation loads every forest, and reads nothing of it but its settings: the predictions
        # are cached. One tree of 250 saves it 5 s and 1.2 GB; the manifest sees to the predictions.
        slim = copy.copy(model)
        slim.estimators_ = model.estimators_[:1]
        store_model(self, model_name, model_hash, slim)
        print(f"{DONE} {model_name}", flush=True)

    def store_and_tell(self: object, model_name: str, *arguments: object) -> None:
        store_prediction(self, model_name, *arguments)
        print(f"{DONE} {model_name}", flush=True)

    SklearnExecutionTimePredictor._store_model_in_cache = store_slim
    SklearnExecutionTimePredictor._store_model_predication_cache = store_and_tell
    # Copies of all predictions as text, which nothing reads.
    SklearnExecutionTimePredictor._store_training_prediction_data = lambda *_, **__: None

    config = SimulationConfig.create_from_cli_args()
    random.seed(seed)
    np.random.seed(seed)
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

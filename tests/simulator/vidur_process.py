"""Runs the real Vidur on several cases in one process; ``vidur_cases.run_vidur`` starts it.

Reads a JSON list of cases from standard input, writes a JSON list of results to the file named by
its argument. A case: {"words": options of Vidur's command line, "router": path or null,
"policy": likewise, "seed": int}. A result: the requests' times by request id, or {"error": text}
where Vidur stopped with requests that never complete. A composed Vidur is on the path. The working
folder is that of the trained predictors; or a second argument names recorded tables, and nothing
is trained.
"""

import atexit
import contextlib
import importlib.util
import io
import json
import logging
import random
import sys
import time
from pathlib import Path

import numpy as np
from vidur.config import SimulationConfig
from vidur.entities import Batch, BatchStage, Cluster, ExecutionTime, Replica, Request
from vidur.events import BaseEvent
from vidur.execution_time_predictor import ExecutionTimePredictorRegistry
from vidur.execution_time_predictor.sklearn_execution_time_predictor import (
    SklearnExecutionTimePredictor,
)
from vidur.openglia import replica_scheduling
from vidur.openglia.requests import RoutedRequest
from vidur.openglia.supervision import AI_ROUTER
from vidur.scheduler import GlobalSchedulerRegistry
from vidur.scheduler.replica_scheduler.replica_scheduler_registry import ReplicaSchedulerRegistry
from vidur.scheduler.replica_scheduler.sarathi_replica_scheduler import SarathiReplicaScheduler
from vidur.simulator import Simulator
from vidur.types import GlobalSchedulerType, ReplicaSchedulerType

ENTITIES = (Batch, BatchStage, Cluster, ExecutionTime, Replica, Request, RoutedRequest)


def run(case):
    for entity in ENTITIES:  # Vidur counts these in the classes
        entity._id = -1
    BaseEvent._id = 0
    RoutedRequest.created.clear()
    if case["router"]:
        spec = importlib.util.spec_from_file_location(AI_ROUTER, case["router"])
        module = importlib.util.module_from_spec(spec)
        sys.modules[AI_ROUTER] = module
        spec.loader.exec_module(module)
        if GlobalSchedulerType.AI in GlobalSchedulerRegistry._registry:  # the router of before
            GlobalSchedulerRegistry.unregister(GlobalSchedulerType.AI)
    replace_sarathi(case["policy"])
    sys.argv[1:] = case["words"]
    config = SimulationConfig.create_from_cli_args()
    random.seed(case["seed"])
    np.random.seed(case["seed"])
    simulator = Simulator(config)
    atexit.unregister(simulator._write_output)
    started = time.perf_counter()
    try:
        simulator.run()
    except AssertionError as error:
        return {"error": f"AssertionError {error}"}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    requests = RoutedRequest.created
    return {
        "completed_at": [float(request._completed_at) for request in requests],
        "first_token_at": [float(request._prefill_completed_at) for request in requests],
        "scheduled_at": [float(request._scheduled_at) for request in requests],
        "routed_at": [float(request.routed_at) for request in requests],
        "num_restarts": [int(request._num_restarts) for request in requests],
        "replica_id": [int(request.replica_id) for request in requests],
        "end_time": float(simulator._time),
        "loop_seconds": time.perf_counter() - started,
    }


def replace_sarathi(policy):
    """Put a candidate's scheduler in its place, or Vidur's own back."""
    registry = ReplicaSchedulerRegistry
    if policy:
        spec = importlib.util.spec_from_file_location(replica_scheduling.CANDIDATE, policy)
        module = importlib.util.module_from_spec(spec)
        sys.modules[replica_scheduling.CANDIDATE] = module
        spec.loader.exec_module(module)
        replica_scheduling.install()
    else:
        registry.unregister(ReplicaSchedulerType.SARATHI)
        registry.register(ReplicaSchedulerType.SARATHI, SarathiReplicaScheduler)


def predict_from(tables):
    """Make Vidur's predictor look times up in ``tables`` instead of models that it has trained."""
    predictions = {}
    for operator, array in np.load(tables).items():
        match operator:
            case "attn_decode":
                keys = ((batch, 64 * column) for batch, column in np.ndindex(array.shape))
            case "attn_prefill":
                keys = ((64 * row, chunk**2) for row, chunk in np.ndindex(array.shape))
            case _:
                keys = ((tokens,) for tokens in range(len(array)))
        predictions[operator] = dict(zip(keys, array.ravel().tolist(), strict=True))
    SklearnExecutionTimePredictor._train_models = lambda self: {}
    SklearnExecutionTimePredictor._predict_from_models = lambda self: predictions


def main():
    target = Path(sys.argv[1])
    if len(sys.argv) > 2:
        predict_from(sys.argv[2])
    cases = json.load(sys.stdin)
    logging.getLogger("vidur").setLevel(logging.WARNING)
    predictors = {}
    get = ExecutionTimePredictorRegistry.get

    def memoised(key, **arguments):  # of equal configurations: reading it takes a second
        name = str(arguments["predictor_config"])
        if name not in predictors:
            predictors[name] = get(key, **arguments)
        return predictors[name]

    ExecutionTimePredictorRegistry.get = memoised
    results = []
    for case in cases:
        with contextlib.redirect_stdout(io.StringIO()):
            results.append(run(case))
    target.write_text(json.dumps(results))


if __name__ == "__main__":
    main()

"""The arguments of Vidur's command line for a cluster and a trace."""

from pathlib import Path

from openglia.errors import UsageError
from openglia.problems.routing.benchmark import catalogue
from openglia.problems.routing.benchmark.definition import Cluster
from openglia.problems.routing.hardware.roofline import (
    GRID_POINT,
    KV_GRANULARITY,
    max_tokens_in_batch,
)

# The profiles, in the working folder.
COMPUTE_FILE = "mlp.csv"
ATTENTION_FILE = "attention.csv"

ROUTERS = ("random", "round_robin", "lor", "llq")

# Relative to the working folder: Vidur puts the names of its input files into the names of its
# cached predictors.
PREDICTOR_CACHE = "predictors"


def router_type(scheduler: str) -> str:
    """Vidur's type of global scheduler: ``ai`` for a file, the name for ``builtin:NAME``.

    Raises:
        UsageError: there is no built-in router of that name.
    """
    if not scheduler.startswith("builtin:"):
        return "ai"
    name = scheduler.removeprefix("builtin:")
    if name not in ROUTERS:
        raise UsageError(f"there is no built-in router {name!r}; there are {', '.join(ROUTERS)}")
    return name


def arguments(cluster: Cluster, router: str, trace: Path, output: Path, seed: int) -> list[str]:
    """What follows the program's name.

    The working folder must be the predictors' (``openglia.problems.routing.vidur.predictors``).

    Args:
        router: a type of global scheduler, e.g. ``ai``.
        trace: columns arrived_at, num_prefill_tokens, num_decode_tokens.
        output: Vidur makes a folder named by the time in it.
    """
    return [
        *_options("", seed=seed, log_level="warning"),
        *_cluster(cluster),
        *_options("cluster_config", num_replicas=cluster.replicas),
        *_options("global_scheduler_config", type=router),
        *_options("request_generator_config", type="trace_replay"),
        *_options(
            "trace_request_generator_config", trace_file=trace, max_tokens=cluster.max_tokens
        ),
        *predictor(cluster),
        *_options("metrics_config", output_dir=output, cache_dir=PREDICTOR_CACHE),
        "--no-metrics_config_store_plots",
        "--no-metrics_config_enable_chrome_trace",
        "--no-metrics_config_write_json_trace",
    ]


def predictor(cluster: Cluster) -> list[str]:
    """The options of the execution-time predictor, for training as for running."""
    return [
        *_options("execution_time_predictor_config", type="random_forrest"),
        *_options(
            "random_forrest_execution_time_predictor_config",
            compute_input_file=COMPUTE_FILE,
            attention_input_file=ATTENTION_FILE,
            prediction_max_tokens_per_request=max_tokens_in_batch(cluster),
            prediction_max_prefill_chunk_size=max_tokens_in_batch(cluster),
            prediction_max_batch_size=cluster.replica_scheduler.batch_size_cap,
            kv_cache_prediction_granularity=KV_GRANULARITY,
            num_training_job_threads=1,
            **GRID_POINT,
        ),
    ]


def _cluster(cluster: Cluster) -> list[str]:
    scheduler = cluster.replica_scheduler
    device = catalogue.gpu(cluster.gpu).vidur_device
    own: dict[str, int | None] = {
        "num_blocks": scheduler.num_blocks,
        "block_size": scheduler.block_size,
        "batch_size_cap": scheduler.batch_size_cap,
    }
    if scheduler.type == "sarathi":
        own["chunk_size"] = scheduler.chunk_size
    else:
        own["max_tokens_in_batch"] = scheduler.max_tokens_in_batch
    return [
        *_options(
            "replica_config",
            model_name=catalogue.model(cluster.model).vidur_name,
            device=device,  # plans memory, and num_blocks overrules it
            network_device=f"{device}_pairwise_nvlink",
        ),
        *_options("replica_scheduler_config", type=scheduler.type),
        *_options(
            f"{scheduler.type}_scheduler_config",
            watermark_blocks_fraction=scheduler.watermark_blocks_fraction,
            **own,
        ),
    ]


def _options(prefix: str, **values: object) -> list[str]:
    words = []
    for name, value in values.items():
        words += [f"--{prefix}_{name}" if prefix else f"--{name}", str(value)]
    return words

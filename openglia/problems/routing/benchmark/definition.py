"""What a benchmark is. The module ``loading`` reads one from YAML and checks it."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from openglia.files import canonical_json, sha256
from openglia.problems.routing.hooks import ROUTER

# Raised whenever the module workload draws other traces from the same definition.
TRACE_FORMAT = 1

# The keys of `workload.trace` that say where the file is, and not what it holds.
TRACE_PLACE = ("file", "repository")

# The keys of a cluster that the embedded simulator alone knows.
BEYOND_VIDUR = ("groups", "signals", "failures")

# The routers that every simulator has built in.
BASELINES = ROUTER.builtins
BASELINE_WORDS = {"round_robin": "round robin", "lor": "LOR", "llq": "LLQ"}  # where they differ

# Of the names in ``objectives.OBJECTIVES``: the default, and those that need an SLO.
DEFAULT = "mean_response_time"
OF_SLO = ("goodput", "slo_attainment")


@dataclass(frozen=True, kw_only=True)
class ReplicaScheduler:
    """The batching policy of every replica (Vidur's ``*SchedulerConfig``)."""

    type: Literal["sarathi", "vllm"]
    num_blocks: int  # KV-cache blocks per replica
    block_size: int = 16  # tokens per KV-cache block
    watermark_blocks_fraction: float = 0.01  # of the blocks, kept free when a prompt is admitted
    batch_size_cap: int = 128  # requests in a batch
    chunk_size: int | None = None  # sarathi: tokens in a batch
    max_tokens_in_batch: int | None = None  # vllm: prompts x longest prompt in a prefill batch


@dataclass(frozen=True, kw_only=True)
class Group:
    """Some replicas of a cluster whose replicas are not all alike."""

    replicas: int
    gpu: str
    num_blocks: int  # KV-cache blocks per replica


@dataclass(frozen=True, kw_only=True)
class Signals:
    """The router sees the replicas as they were at the last multiple of ``delay``."""

    delay: float  # s
    own_placements: bool = True  # whether it sees what it has placed since


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A replica fails, and comes back."""

    replica: int  # its number
    at: float  # s
    duration: float  # s


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Replicas of one model on one GPU each (TP = PP = 1), equal ones where there is no group.

    What Vidur does not simulate comes last, and has no part in a benchmark's hash where it is not.
    """

    replicas: int
    gpu: str  # a name in openglia/problems/routing/benchmark/catalogue.yaml
    model: str  # likewise
    max_tokens: int  # context limit: prompt plus output, in tokens
    replica_scheduler: ReplicaScheduler
    # analytic: our roofline profile; vidur: the measured profile that Vidur ships; glia: the one of
    # the A10 that the Glia authors' fork of Vidur holds
    profile: Literal["analytic", "vidur", "glia"] = "analytic"
    groups: tuple[Group, ...] = ()  # of the replicas, by number; together they are ``replicas``
    signals: Signals | None = None  # None: the router sees the present
    failures: tuple[Outage, ...] = ()  # in order of time

    @property
    def members(self) -> tuple[Group, ...]:
        """The group of each replica, by its number."""
        blocks = self.replica_scheduler.num_blocks
        alike = Group(replicas=self.replicas, gpu=self.gpu, num_blocks=blocks)
        return tuple(group for group in self.groups or (alike,) for _ in range(group.replicas))

    @property
    def policies(self) -> tuple[ReplicaScheduler, ...]:
        """The batching policy of each replica, by its number."""
        common = self.replica_scheduler
        return tuple(replace(common, num_blocks=group.num_blocks) for group in self.members)

    @property
    def beyond_vidur(self) -> tuple[str, ...]:
        """The keys in force that the embedded simulator alone knows."""
        return tuple(name for name in BEYOND_VIDUR if getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a router may cost."""

    router_call_mean_ms: float = 50.0  # the router's own time per call, mean over an evaluation
    router_call_seconds: float = 10.0  # wall time of any one call, the constructor's too
    simulation_seconds: float = 120.0  # wall time of one seed on the embedded simulator
    vidur_simulation_seconds: float = 1800.0  # likewise on Vidur
    memory_mb: int = 2048  # address space of one simulation process above its start


@dataclass(frozen=True, kw_only=True)
class Slo:
    """What a request must not exceed to be served well, in seconds; None: no bound."""

    ttft: float | None = None
    tpot: float | None = None


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A bound on the mean over seeds of a metric; one of ``at_most`` and ``at_least`` is there."""

    metric: str  # a name in ``objectives.OBJECTIVES``
    at_most: float | None = None
    at_least: float | None = None
    relative_to: str | None = None  # a baseline: the bound is so many times its own figure

    @property
    def bound(self) -> float:
        """Whichever is there."""
        bound = self.at_least if self.at_most is None else self.at_most
        assert bound is not None
        return bound


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A cluster, a workload, the seeds it is drawn with, and what counts."""

    name: str
    description: str
    cluster: Cluster
    duration: float  # simulated seconds in which requests arrive
    workload: dict[str, Any]  # validated by openglia.problems.routing.benchmark.models
    seeds: tuple[int, ...]  # evaluation seeds
    held_out_seeds: tuple[int, ...]  # seen by the final verification alone
    objective: str = DEFAULT  # a name in ``objectives.OBJECTIVES``
    slo: Slo | None = None
    constraints: tuple[Constraint, ...] = ()
    baselines: tuple[str, ...] = BASELINES
    limits: Limits = field(default_factory=Limits)
    # The duration in the file. Another `duration` makes an evaluation a partial one.
    full_duration: float | None = None

    @property
    def is_full_length(self) -> bool:
        """Whether requests arrive for as long as the benchmark's file says."""
        return self.full_duration is None or self.duration == self.full_duration

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is measured on every seed: the objective, what is constrained, SLO metrics."""
        constrained = (constraint.metric for constraint in self.constraints)
        of_slo = () if self.slo is None else OF_SLO
        return tuple(dict.fromkeys((self.objective, *constrained, *of_slo)))

    def trace_name(self, seed: int) -> str:
        """Where the trace of a seed lies in a folder of traces."""
        return f"{self.name}-{self.hash}/seed_{seed}.csv"

    @property
    def hash(self) -> str:
        """12 hexadecimal digits over everything that decides a score of one seed."""
        parts = {
            "trace_format": TRACE_FORMAT,
            "cluster": _in_force(self.cluster),
            "duration": self.duration,
            "workload": _deciding(self.workload),
            "objective": self.objective,
        }
        if self.slo is not None:
            parts["slo"] = asdict(self.slo)
        if self.constraints:
            parts["constraints"] = [asdict(constraint) for constraint in self.constraints]
        return sha256(canonical_json(parts))[:12]


def _in_force(cluster: Cluster) -> dict[str, Any]:
    """Without the keys that are not there: hashes are older than these."""
    absent = set(BEYOND_VIDUR) - set(cluster.beyond_vidur)
    return {key: value for key, value in asdict(cluster).items() if key not in absent}


def _deciding(workload: dict[str, Any]) -> dict[str, Any]:
    """Without where the file of a trace lies: its SHA-256 says what it is."""
    if "trace" not in workload:
        return workload
    return {"trace": {k: v for k, v in workload["trace"].items() if k not in TRACE_PLACE}}

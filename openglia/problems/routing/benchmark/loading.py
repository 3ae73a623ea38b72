"""Benchmarks from YAML files. ``environment/benchmarks/README.md`` documents the keys."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from openglia.errors import UsageError, shown
from openglia.paths import BENCHMARKS
from openglia.problems.routing.benchmark.catalogue import gpu, model
from openglia.problems.routing.benchmark.definition import (
    BASELINES,
    Benchmark,
    Cluster,
    Limits,
    ReplicaScheduler,
)
from openglia.problems.routing.benchmark.length_copies import adopt
from openglia.problems.routing.benchmark.schema import Section, Variants, read_mapping
from openglia.problems.routing.benchmark.workload_schema import VARIANTS as WORKLOAD_VARIANTS
from openglia.problems.routing.benchmark.workload_schema import read_workload
from openglia.problems.routing.seeds import parse_seeds

_VARIANTS: Variants = {
    "type": {"sarathi": ("chunk_size",), "vllm": ("max_tokens_in_batch",)},
    **WORKLOAD_VARIANTS,
}


def available() -> list[str]:
    """Names of the benchmarks in ``environment/benchmarks``."""
    return sorted(path.stem for path in BENCHMARKS.glob("*.yaml"))


def is_path(name_or_path: str) -> bool:
    """Whether it is a file's path, and not the name of a benchmark that ships."""
    return name_or_path.endswith((".yaml", ".yml"))


def load_benchmark(name_or_path: str) -> Benchmark:
    """Read and check a benchmark.

    Raises:
        UsageError: there is no such benchmark, or its file is not valid; names file and key.
    """
    if is_path(name_or_path):
        path = Path(name_or_path)
        if not os.path.isfile(path):  # noqa: PTH113  # False also for a name that is too long
            raise UsageError(f"no benchmark file {path}")
    else:
        path = BENCHMARKS / f"{name_or_path}.yaml"
        if "/" in name_or_path or not os.path.isfile(path):  # noqa: PTH113
            raise UsageError(
                f"no benchmark {shown(name_or_path)}; there are {', '.join(available())} "
                f"(or give the path of a .yaml file)"
            )
    benchmark = _benchmark(path, Section(path, "", _read(path, ())))
    adopt(benchmark.workload, path.parent)
    return benchmark


def resolved(definition: Mapping[str, Any], origin: Path) -> Benchmark:
    """The benchmark that ``asdict`` once made a mapping of; new keys take their defaults.

    Raises:
        UsageError: it is not valid; names ``origin`` and the key.
    """
    return _benchmark(origin, Section(origin, "", _spelled(definition)))


def to_yaml(benchmark: Benchmark) -> str:
    """A file that ``load_benchmark`` reads as this benchmark, whatever the file is called."""
    import yaml  # late: only a run that begins writes one

    return yaml.safe_dump(
        _spelled(asdict(benchmark)), sort_keys=False, allow_unicode=True, default_flow_style=None
    )


def _spelled(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition as a file has it: without what is not set, and what only a file's name says."""
    lists = ("seeds", "held_out_seeds", "baselines")
    found: dict[str, Any] = _pruned(definition)
    found.pop("full_duration", None)
    return {key: list(value) if key in lists else value for key, value in found.items()}


def _pruned(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _pruned(v) for k, v in value.items() if v not in (None, (), [])}
    return [_pruned(item) for item in value] if isinstance(value, list) else value


def _read(path: Path, heirs: tuple[Path, ...]) -> dict[str, Any]:
    """The file's mapping, laid over the one that it ``extends``."""
    own = read_mapping(path)
    if "extends" not in own:
        return own
    parent: Any = own.pop("extends")
    if not isinstance(parent, str):
        raise UsageError(f"{path}: extends: must be a benchmark's name, not {shown(parent)}")
    places = (path.parent / f"{parent}.yaml", BENCHMARKS / f"{parent}.yaml")
    found = [place for place in places if os.path.isfile(place)]  # noqa: PTH113
    # A file that is called like the one that ships may extend that one.
    others = [place for place in found if place.resolve() != path.resolve()]
    base = next(iter(others or found), None)
    if base is None:
        raise UsageError(f"{path}: extends: there is no benchmark {shown(parent)}")
    if base.resolve() in [heir.resolve() for heir in (path, *heirs)]:
        raise UsageError(f"{path}: extends: {parent!r} extends this file in turn")
    inherited = _read(base, (path, *heirs))
    inherited.pop("name", None)
    return _overlaid(inherited, own)


def _overlaid(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """``own`` over ``base``: mappings are merged key by key, all else is replaced.

    Where ``own`` is of another kind (``type: vllm`` over ``type: sarathi``), what only the former
    kind has is not inherited.
    """
    merged = {key: value for key, value in base.items() if key not in _outdated(base, own)}
    for key, value in own.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            value = _overlaid(below, value)
        merged[key] = value
    return merged


def _outdated(base: dict[str, Any], own: dict[str, Any]) -> set[str]:
    """The keys of ``base`` that belong to a kind which ``own`` changes."""
    return {
        key
        for tag, kinds in _VARIANTS.items()
        if own.get(tag, base.get(tag)) != base.get(tag)
        for kind, keys in kinds.items()
        if kind == base[tag]
        for key in keys
    }


def _benchmark(path: Path, top: Section) -> Benchmark:
    called = _name(top) if top.has("name") else path.stem
    description = " ".join(top.text("description").split())
    cluster = _cluster(top.section("cluster"))
    duration = top.seconds("duration")
    workload = read_workload(top.section("workload"))
    seeds = _seeds(top, "seeds")
    held_out = _seeds(top, "held_out_seeds") if top.has("held_out_seeds") else ()
    if shared := set(seeds) & set(held_out):
        raise top.error("held_out_seeds", f"seed {min(shared)} is an evaluation seed too")
    objective = top.text("objective", ("mean_response_time",))
    baselines = tuple(top.list("baselines"))
    for name in baselines:
        if name not in BASELINES:
            raise top.error("baselines", f"{shown(name)} is none of {', '.join(BASELINES)}")
    limits = _limits(top.section("limits")) if top.has("limits") else Limits()
    top.done()
    return Benchmark(
        name=called,
        description=description,
        cluster=cluster,
        duration=duration,
        full_duration=duration,
        workload=workload,
        seeds=seeds,
        held_out_seeds=held_out,
        objective=cast(Any, objective),
        baselines=baselines,
        limits=limits,
    )


def _name(top: Section) -> str:
    name = top.text("name")
    if "/" in name or name.startswith(".") or not name.isprintable() or len(name) > 100:
        raise top.error("name", f"must be a plain file name without its ending, not {shown(name)}")
    return name


def _seeds(top: Section, key: str) -> tuple[int, ...]:
    value = top.value(key)
    try:
        if isinstance(value, list):
            return parse_seeds(",".join(str(seed) for seed in value))
        return parse_seeds(str(value))
    except UsageError as error:
        raise top.error(key, str(error)) from None


def _cluster(section: Section) -> Cluster:
    cluster = Cluster(
        replicas=section.integer("replicas", most=10_000),
        gpu=_listed(section, "gpu", gpu),
        model=_listed(section, "model", model),
        max_tokens=section.integer("max_tokens", least=32),
        replica_scheduler=_replica_scheduler(section.section("replica_scheduler")),
        profile=cast(Any, section.text("profile", ("analytic", "vidur"))),
    )
    section.done()
    scheduler = cluster.replica_scheduler
    # One more block than the prompt and output fill, and the watermark, so that any request fits.
    room = scheduler.num_blocks - int(scheduler.watermark_blocks_fraction * scheduler.num_blocks)
    if (room - 1) * scheduler.block_size < cluster.max_tokens:
        raise section.error(
            "replica_scheduler.num_blocks",
            f"{scheduler.num_blocks} blocks of {scheduler.block_size} tokens, less the watermark, "
            f"do not hold a request of max_tokens {cluster.max_tokens}",
        )
    if scheduler.max_tokens_in_batch is not None and (
        scheduler.max_tokens_in_batch < cluster.max_tokens
    ):
        raise section.error(
            "replica_scheduler.max_tokens_in_batch",
            f"must be at least max_tokens ({cluster.max_tokens}), or long prompts never start",
        )
    return cluster


def _listed(section: Section, key: str, look_up: Callable[[str], object]) -> str:
    """The name of a GPU or model that the hardware catalogue has."""
    name = section.text(key)
    try:
        look_up(name)
    except UsageError as error:
        raise section.error(key, str(error)) from None
    return name


def _replica_scheduler(section: Section) -> ReplicaScheduler:
    kind = section.text("type", tuple(_VARIANTS["type"]))
    scheduler = ReplicaScheduler(
        type=cast(Any, kind),
        num_blocks=section.integer("num_blocks"),
        block_size=section.integer("block_size", default=16),
        watermark_blocks_fraction=section.number(
            "watermark_blocks_fraction", default=0.01, least=0, most=0.5
        ),
        batch_size_cap=section.integer("batch_size_cap", default=128),
        chunk_size=section.integer("chunk_size") if kind == "sarathi" else None,
        max_tokens_in_batch=section.integer("max_tokens_in_batch") if kind == "vllm" else None,
    )
    section.done()
    return scheduler


def _limits(section: Section) -> Limits:
    default = Limits()
    limits = Limits(
        router_call_mean_ms=section.number(
            "router_call_mean_ms", default=default.router_call_mean_ms, above=0
        ),
        router_call_seconds=section.seconds(
            "router_call_seconds", default=default.router_call_seconds
        ),
        simulation_seconds=section.seconds(
            "simulation_seconds", default=default.simulation_seconds
        ),
        vidur_simulation_seconds=section.seconds(
            "vidur_simulation_seconds", default=default.vidur_simulation_seconds
        ),
        memory_mb=section.integer("memory_mb", default=default.memory_mb),
    )
    section.done()
    return limits

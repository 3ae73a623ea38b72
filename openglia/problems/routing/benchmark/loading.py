"""Benchmarks from YAML files. ``environment/benchmarks/README.md`` documents the keys."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from openglia.errors import UsageError, shown
from openglia.paths import BENCHMARKS
from openglia.problems.refusals import validated
from openglia.problems.routing.benchmark.definition import Benchmark, Constraint, Limits, Slo
from openglia.problems.routing.benchmark.length_copies import adopt
from openglia.problems.routing.benchmark.models import ALTERNATIVES, KINDS, File
from openglia.problems.yaml_file import read_mapping


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
    benchmark = _benchmark(path, _read(path, ()))
    adopt(benchmark.workload, path.parent)
    return benchmark


def resolved(definition: Mapping[str, Any], origin: Path) -> Benchmark:
    """The benchmark that ``asdict`` once made a mapping of; new keys take their defaults.

    Raises:
        UsageError: it is not valid; names ``origin`` and the key.
    """
    return _benchmark(origin, _spelled(definition))


def to_yaml(benchmark: Benchmark) -> str:
    """A file that ``load_benchmark`` reads as this benchmark, whatever the file is called."""
    import yaml  # late: only a run that begins writes one

    return yaml.safe_dump(
        _spelled(asdict(benchmark)), sort_keys=False, allow_unicode=True, default_flow_style=None
    )


def _spelled(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition as a file has it: without what is not set, and what only a file's name says."""
    found: dict[str, Any] = _set(definition)
    found.pop("full_duration", None)
    return found


def _set(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _set(v) for k, v in value.items() if v not in (None, (), [])}
    return [_set(item) for item in value] if isinstance(value, list | tuple) else value


def _read(path: Path, heirs: tuple[Path, ...]) -> dict[str, Any]:
    """The file's mapping, laid over the one that it ``extends``."""
    own = _anchored(read_mapping(path), path.parent)
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


def _anchored(own: dict[str, Any], folder: Path) -> dict[str, Any]:
    """With the trace's file as seen from the folder of the benchmark's file, where it has one."""
    workload = own.get("workload")
    trace = workload.get("trace") if isinstance(workload, dict) else None
    if not isinstance(trace, dict) or trace.get("repository") is not None:
        return own
    if isinstance(trace.get("file"), str):
        named = os.path.expanduser(trace["file"])  # noqa: PTH111  # leaves an unknown ~user alone
        trace["file"] = str((folder / named).resolve()) if named.strip() else named
    return own


def _overlaid(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """``own`` over ``base``: mappings are merged key by key, all else is replaced.

    Where ``own`` is of another kind (``type: vllm`` over ``type: sarathi``, a recorded trace over a
    drawn one), what only the former kind has is not inherited.
    """
    merged = {key: value for key, value in base.items() if key not in _outdated(base, own)}
    for key, value in own.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            another = key == "trace" and "file" in value  # with its own format and hash
            value = value if another else _overlaid(below, value)
        merged[key] = value
    return merged


def _outdated(base: dict[str, Any], own: dict[str, Any]) -> set[str]:
    """The keys of ``base`` that belong to a kind which ``own`` changes."""
    others = {
        key
        for tag, kinds in KINDS.items()
        if own.get(tag, base.get(tag)) != base.get(tag)
        for kind, keys in kinds.items()
        if kind == base[tag]
        for key in keys
    }
    for first, second in (ALTERNATIVES, reversed(ALTERNATIVES)):
        if first & own.keys() and not second & own.keys():
            others |= second
    return others


def _without_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_null(v) for k, v in value.items() if v is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value


def _benchmark(path: Path, values: Mapping[str, Any]) -> Benchmark:
    file = validated(File, _without_null(values), path, KINDS)
    return Benchmark(
        name=file.name or path.stem,
        description=" ".join(file.description.split()),
        cluster=file.cluster.resolved(),
        duration=file.duration,
        full_duration=file.duration,
        workload=_pinned(file.workload.model_dump()),
        seeds=file.seeds,
        held_out_seeds=file.held_out_seeds,
        objective=file.objective,
        slo=None if file.slo is None else Slo(**file.slo.model_dump()),
        constraints=tuple(Constraint(**one.model_dump()) for one in file.constraints),
        baselines=tuple(file.baselines),
        limits=Limits(**file.limits.model_dump()),
    )


def _pinned(workload: dict[str, Any]) -> dict[str, Any]:
    """With the SHA-256 of the trace's file, where the benchmark's file does not name it."""
    trace = workload.get("trace")
    if trace is not None and trace["sha256"] is None:
        from openglia.problems.routing.benchmark.replay.reading import sha256_of  # late: NumPy

        trace["sha256"] = sha256_of(Path(trace["file"]))
    return workload

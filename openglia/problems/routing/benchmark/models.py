"""The keys of a benchmark's file, their types and bounds; ``environment/benchmarks/README.md``.

What a file may spell in several ways comes out in one, so that equal benchmarks hash alike: times
and rates are floats, counts whole numbers. Null is the same as an absent key.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from openglia.errors import UsageError, shown
from openglia.problems.refusals import Model, refusal
from openglia.problems.routing.benchmark.cluster_model import Cluster
from openglia.problems.routing.benchmark.definition import Limits
from openglia.problems.routing.benchmark.replay.model import TraceFile
from openglia.problems.routing.benchmark.scalars import LARGEST, Number, Seconds, Text, Whole
from openglia.problems.routing.benchmark.scoring_model import Scoring
from openglia.problems.routing.seeds import parse_seeds

# The key that names a mapping's kind -> kind -> the keys that this kind alone has.
KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "type": {"sarathi": ("chunk_size",), "vllm": ("max_tokens_in_batch",)},
    "process": {"log-normal": ("sigma",), "poisson": ()},
    "distribution": {"fitted": ("prompt", "output", "inflation"), "file": ("file", "sha256")},
}

# Keys of a workload of which one side alone can be there: drawn, or recorded.
ALTERNATIVES = ({"arrivals", "lengths", "shift"}, {"trace"})


def _seeds(value: Any) -> tuple[int, ...]:
    try:
        return parse_seeds(",".join(map(str, value)) if isinstance(value, list) else str(value))
    except UsageError as error:
        raise refusal("", str(error)) from None


Seeds = Annotated[tuple[int, ...], BeforeValidator(_seeds)]


class Bursts(Model):
    """In the last ``last`` seconds of every ``every`` the rate is ``factor`` times as high."""

    every: Seconds
    last: Seconds
    factor: Number = Field(gt=0)

    @model_validator(mode="after")
    def _last_is_a_part(self) -> Self:
        if self.last >= self.every:
            raise refusal("last", f"must be below every ({self.every:g}), not {self.last:g}")
        return self


class LogNormal(Model):
    """Gaps between arrivals that are log-normal."""

    process: Literal["log-normal"]
    rate: Number = Field(gt=0)
    sigma: Number = Field(ge=0, le=4)
    bursts: Bursts | None = None


class Poisson(Model):
    """Gaps that are exponential."""

    process: Literal["poisson"]
    rate: Number = Field(gt=0)
    sigma: None = None
    bursts: Bursts | None = None


class Component(Model):
    """A part of the prompts: offset + exp(mu + sigma * normal) tokens."""

    share: Number = Field(gt=0, le=1)
    offset: Number = Field(0.0, ge=0)
    mu: Number
    sigma: Number = Field(ge=0)


class Output(Model):
    """Gamma-distributed lengths in tokens, cut."""

    shape: Number = Field(gt=0)
    scale: Number = Field(gt=0)
    minimum: Whole = Field(ge=1, le=LARGEST)
    maximum: Whole = Field(ge=1, le=LARGEST)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.maximum < self.minimum:
            raise refusal("maximum", f"must be at least minimum ({self.minimum})")
        return self


class Inflation(Model):
    """Shares of the requests whose lengths are multiplied."""

    factor: Whole = Field(ge=1, le=LARGEST)
    prompt_share: Number = Field(ge=0, le=1)
    output_share: Number = Field(ge=0, le=1)


class Fitted(Model):
    """Lengths that are drawn."""

    distribution: Literal["fitted"]
    prompt: list[Component] = Field(min_length=1)
    output: Output
    inflation: Inflation | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(sum(part.share for part in self.prompt) - 1) > 1e-9:
            raise refusal("prompt", "the shares must add up to 1")
        return self


class FromFile(Model):
    """Lengths that are resampled from a file in Vidur's checkout."""

    distribution: Literal["file"]
    file: Text
    sha256: Text

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if Path(self.file).is_absolute() or ".." in Path(self.file).parts:
            raise refusal("file", "must be a path inside Vidur's checkout")
        return self


Lengths = Annotated[Fitted | FromFile, Field(discriminator="distribution")]


class Shift(Model):
    """Requests after this share of the duration have other lengths."""

    at: Number = Field(gt=0, le=1)
    lengths: Lengths


class Workload(Model):
    """When requests arrive, and how long they are."""

    arrivals: Annotated[LogNormal | Poisson, Field(discriminator="process")]
    lengths: Lengths
    shift: Shift | None = None


class Replayed(Model):
    """Requests as they came; a seed is a window of the trace's time."""

    trace: TraceFile


def _workload(value: Any) -> Workload | Replayed:
    replayed = isinstance(value, Mapping) and "trace" in value
    return (Replayed if replayed else Workload).model_validate(value)


class RouterLimits(Model):
    """See ``definition.Limits``."""

    router_call_mean_ms: Number = Field(Limits.router_call_mean_ms, gt=0)
    router_call_seconds: Seconds = Limits.router_call_seconds
    simulation_seconds: Seconds = Limits.simulation_seconds
    vidur_simulation_seconds: Seconds = Limits.vidur_simulation_seconds
    memory_mb: Whole = Field(Limits.memory_mb, ge=1, le=LARGEST)


class File(Scoring):
    """A benchmark's file, with what it extends."""

    name: Text | None = None
    description: Text
    cluster: Cluster
    duration: Seconds
    workload: Annotated[Workload | Replayed, PlainValidator(_workload)]
    seeds: Seeds
    held_out_seeds: Seeds = ()
    limits: RouterLimits = Field(default_factory=lambda: RouterLimits.model_validate({}))

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        name = self.name or ""
        if "/" in name or name.startswith(".") or not name.isprintable() or len(name) > 100:
            reason = f"must be a plain file name without its ending, not {shown(name)}"
            raise refusal("name", reason)
        if shared := set(self.seeds) & set(self.held_out_seeds):
            raise refusal("held_out_seeds", f"seed {min(shared)} is an evaluation seed too")
        if isinstance(self.workload, Replayed):
            self._held_out_come_later()
        return self

    def _held_out_come_later(self) -> None:
        """A later part of a trace is what its earlier part is to tell something about."""
        if self.held_out_seeds and min(self.held_out_seeds) < max(self.seeds):
            raise refusal(
                "held_out_seeds",
                f"window {min(self.held_out_seeds)} of the trace comes before window "
                f"{max(self.seeds)}, which is an evaluation seed; hold out later ones",
            )

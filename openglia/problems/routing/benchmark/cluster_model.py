"""The keys of a benchmark's ``cluster``, their types and bounds, and the cluster they define."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from openglia.errors import UsageError
from openglia.problems.refusals import Model, refusal
from openglia.problems.routing.benchmark import catalogue, definition
from openglia.problems.routing.benchmark.memory import MARGIN, kv_blocks
from openglia.problems.routing.benchmark.scalars import (
    LARGEST,
    Instant,
    Number,
    Seconds,
    Text,
    Whole,
)

SHORTEST_DELAY = 0.01  # s; below, the engine would do little else than refresh


def _listed(look_up: Callable[[str], object]) -> AfterValidator:
    """A name that the catalogue has."""

    def check(name: str) -> str:
        try:
            look_up(name)
        except UsageError as error:
            raise refusal("", str(error)) from None
        return name

    return AfterValidator(check)


def _or_auto(value: Any, handler: ValidatorFunctionWrapHandler) -> int | None:
    return None if value == "auto" else handler(value)


GpuName = Annotated[Text, _listed(catalogue.gpu)]
Blocks = Annotated[  # None: auto
    Annotated[Whole, Field(ge=1, le=LARGEST)] | None, WrapValidator(_or_auto)
]


class _ReplicaScheduler(Model):
    num_blocks: Blocks
    block_size: Whole = Field(16, ge=1, le=LARGEST)
    watermark_blocks_fraction: Number = Field(0.01, ge=0, le=0.5)
    batch_size_cap: Whole = Field(128, ge=1, le=LARGEST)


class Sarathi(_ReplicaScheduler):
    """Chunked prefills."""

    type: Literal["sarathi"]
    chunk_size: Whole = Field(ge=1, le=LARGEST)


class Vllm(_ReplicaScheduler):
    """Prefill batches."""

    type: Literal["vllm"]
    max_tokens_in_batch: Whole = Field(ge=1, le=LARGEST)


class Group(Model):
    """See ``definition.Group``; what is absent is as the cluster's own keys say."""

    replicas: Whole = Field(ge=1, le=10_000)
    gpu: GpuName | None = None
    num_blocks: Blocks = None


class Signals(Model):
    """See ``definition.Signals``."""

    delay: Instant
    own_placements: bool = True

    @model_validator(mode="after")
    def _takes_no_age(self) -> Self:
        if 0 < self.delay < SHORTEST_DELAY:
            raise refusal("delay", f"must be 0 or at least {SHORTEST_DELAY}, not {self.delay:g}")
        return self


class Outage(Model):
    """See ``definition.Outage``."""

    replica: Whole = Field(ge=0, le=10_000)
    at: Instant
    duration: Seconds


class Cluster(Model):
    """See ``definition.Cluster``."""

    replicas: Whole = Field(ge=1, le=10_000)
    gpu: GpuName
    model: Annotated[Text, _listed(catalogue.model)]
    max_tokens: Whole = Field(ge=32, le=LARGEST)
    memory_margin: Number = Field(MARGIN, ge=0, lt=1)
    replica_scheduler: Annotated[Sarathi | Vllm, Field(discriminator="type")]
    profile: Literal["analytic", "vidur", "glia"]
    groups: tuple[Group, ...] = Field((), strict=False)
    signals: Signals | None = None
    failures: tuple[Outage, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        self.resolved()
        return self

    def resolved(self) -> definition.Cluster:
        """The cluster in one form: nothing ``auto``, no groups where all are equal, no delay of 0.

        Raises:
            PydanticCustomError: it is none.
        """
        self._check_profile()
        batching = self.replica_scheduler
        if isinstance(batching, Vllm) and batching.max_tokens_in_batch < self.max_tokens:
            raise refusal(
                "replica_scheduler.max_tokens_in_batch",
                f"must be at least max_tokens ({self.max_tokens}), or long prompts never start",
            )
        blocks = self._room(self.gpu, batching.num_blocks, "replica_scheduler.num_blocks")
        policy = {**batching.model_dump(), "num_blocks": blocks}
        signals = self.signals
        return definition.Cluster(
            **self.model_dump(include={"replicas", "gpu", "model", "max_tokens", "profile"}),
            replica_scheduler=definition.ReplicaScheduler(**policy),
            groups=self._groups(blocks),
            signals=definition.Signals(**signals.model_dump())
            if signals and signals.delay
            else None,
            failures=self._outages(),
        )

    def _check_profile(self) -> None:
        if self.profile == "glia" and self.gpu != "A10":
            raise refusal("profile", f"the Glia authors' profile is of the A10, not {self.gpu}")
        for number, group in enumerate(self.groups):
            if self.profile != "analytic" and group.gpu not in (None, self.gpu):
                raise refusal(
                    f"groups[{number}].gpu",
                    f"GPUs that differ need profile: analytic; {self.profile} is of {self.gpu}",
                )

    def _groups(self, blocks: int) -> tuple[definition.Group, ...]:
        found = []
        for number, group in enumerate(self.groups):
            gpu, wanted = group.gpu or self.gpu, group.num_blocks
            if "num_blocks" not in group.model_fields_set:
                wanted = self.replica_scheduler.num_blocks
            room = self._room(gpu, wanted, f"groups[{number}].num_blocks")
            found.append(definition.Group(replicas=group.replicas, gpu=gpu, num_blocks=room))
        total = sum(group.replicas for group in found)
        if found and total != self.replicas:
            reason = f"hold {total} replicas, and replicas says {self.replicas}; make them agree"
            raise refusal("groups", reason)
        alike = all((group.gpu, group.num_blocks) == (self.gpu, blocks) for group in found)
        return () if alike else tuple(found)

    def _room(self, gpu: str, blocks: int | None, key: str) -> int:
        """KV-cache blocks of a replica; any request must fit."""
        batching = self.replica_scheduler
        words = ""
        if blocks is None:
            device, model = catalogue.gpu(gpu), catalogue.model(self.model)
            blocks = kv_blocks(device, model, batching.block_size, self.memory_margin)
            words = f" (auto, what {device.memory_gb:g} GB leave beside the weights)"
        # One more block than the prompt and output fill, and the watermark: any request fits.
        room = blocks - int(batching.watermark_blocks_fraction * blocks)
        if (room - 1) * batching.block_size < self.max_tokens:
            raise refusal(
                key,
                f"{max(blocks, 0)} blocks of {batching.block_size} tokens{words}, less the "
                f"watermark, do not hold a request of max_tokens {self.max_tokens}",
            )
        return blocks

    def _outages(self) -> tuple[definition.Outage, ...]:
        """In order of time."""
        back_at: dict[int, float] = {}
        found = []
        for number, outage in sorted(enumerate(self.failures), key=lambda entry: entry[1].at):
            key = f"failures[{number}]"
            if outage.replica >= self.replicas:
                known = f"there are replicas 0 to {self.replicas - 1}"
                raise refusal(f"{key}.replica", f"{known}, not {outage.replica}")
            if outage.at <= back_at.get(outage.replica, -1):
                back = back_at[outage.replica]
                reason = f"replica {outage.replica} must have come back, which it does at {back:g}"
                raise refusal(f"{key}.at", reason)
            back_at[outage.replica] = outage.at + outage.duration
            found.append(definition.Outage(**outage.model_dump()))
        return tuple(found)

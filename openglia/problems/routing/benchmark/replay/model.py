"""The key ``workload.trace`` of a benchmark's file."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from openglia.problems.refusals import Model, refusal
from openglia.problems.routing.benchmark.replay.formats import FORMATS, Unit
from openglia.problems.routing.benchmark.scalars import Number, Text


def _known(name: str) -> str:
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise refusal("", f"must be one of {known}, not {name!r}; or name the columns instead")
    return name


def _digest(value: str) -> str:
    if len(value) != 64 or set(value.lower()) - set("0123456789abcdef"):
        raise refusal("", f"must be a SHA-256 of 64 hexadecimal digits, not {value!r}")
    return value.lower()


class Columns(Model):
    """Names of the columns of a file in no known format."""

    time: Text
    prompt: Text
    output: Text
    unit: Unit = "s"


class TraceFile(Model):
    """A recorded trace: arrivals and lengths as they were."""

    file: Text
    format: Annotated[Text, AfterValidator(_known)] | None = None
    columns: Columns | None = None
    sha256: Annotated[Text, AfterValidator(_digest)] | None = None  # else that of the file
    repository: Literal["glia"] | None = None  # that holds the file; else it is on this machine
    rate_scale: Number = Field(1.0, gt=0, le=1e6)  # 2: the same requests in half the time

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.format is None) == (self.columns is None):
            words = f"give either a format ({', '.join(FORMATS)}) or columns by name"
            raise refusal("format", words)
        if self.repository is not None and self.sha256 is None:
            raise refusal("sha256", "is missing: a file in a repository is named with its hash")
        return self

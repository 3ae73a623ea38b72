"""What was measured of the final candidate on other settings: a part of results.json."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from openglia.presenting.score import Case

Outcome = Literal["holds", "shrinks", "is not shown", "turns", "fails"]


class Setting(BaseModel):
    """One other setting. ``values``: the objective by candidate, in the order of ``cases``."""

    model_config = ConfigDict(extra="allow")

    name: str
    hash: str
    cases: list[Case] = []  # that were measured, of its held-out ones
    held_out: int  # how many it has
    values: dict[str, list[float]] = {}
    measure: Literal["ratio", "difference"] | None = None  # of final and yardstick, case by case
    value: float | None = None
    interval: tuple[float, float] | None = None  # 90 %
    outcome: Outcome | None = None  # None: not measured
    reason: str | None = None  # why it is not, or why it fails


class Transfer(BaseModel):
    """What was measured elsewhere."""

    model_config = ConfigDict(extra="allow")

    settings: list[Setting] = []
    left_out: list[str] = []  # baselines that are not measured on every setting
    seconds: float = 0.0
    allowed: float | None = None  # seconds; None: no bound

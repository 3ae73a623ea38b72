"""The ``workload`` section of a benchmark's file."""

from pathlib import Path
from typing import Any

from openglia.problems.routing.benchmark.schema import Section, Variants

# The kinds that a section may be of, and the keys that belong to one kind alone.
VARIANTS: Variants = {
    "process": {"log-normal": ("sigma",), "poisson": ()},
    "distribution": {"fitted": ("prompt", "output", "inflation"), "file": ("file", "sha256")},
}


def read_workload(section: Section) -> dict[str, Any]:
    """The workload with every default spelled out, as ``workload.generate`` reads it."""
    workload = {
        "arrivals": _arrivals(section.section("arrivals")),
        "lengths": _lengths(section.section("lengths")),
        "shift": _shift(section.section("shift")) if section.has("shift") else None,
    }
    section.done()
    return workload


def _arrivals(section: Section) -> dict[str, Any]:
    process = section.text("process", tuple(VARIANTS["process"]))
    spec = {
        "process": process,
        "rate": section.number("rate", above=0),
        "sigma": section.number("sigma", least=0, most=4) if process == "log-normal" else None,
        "bursts": _bursts(section.section("bursts")) if section.has("bursts") else None,
    }
    section.done()
    return spec


def _bursts(section: Section) -> dict[str, float]:
    every = section.seconds("every")
    spec = {
        "every": every,
        "last": section.seconds("last"),
        "factor": section.number("factor", above=0),
    }
    if spec["last"] >= every:
        raise section.error("last", f"must be below every ({every:g}), not {spec['last']:g}")
    section.done()
    return spec


def _shift(section: Section) -> dict[str, Any]:
    spec = {
        "at": section.number("at", above=0, most=1),
        "lengths": _lengths(section.section("lengths")),
    }
    section.done()
    return spec


def _lengths(section: Section) -> dict[str, Any]:
    kind = section.text("distribution", tuple(VARIANTS["distribution"]))
    spec: dict[str, Any] = {"distribution": kind}
    if kind == "file":
        spec["file"] = section.text("file")
        spec["sha256"] = section.text("sha256")
        if Path(spec["file"]).is_absolute() or ".." in Path(spec["file"]).parts:
            raise section.error("file", "must be a path inside Vidur's checkout")
    else:
        spec["prompt"] = [_prompt_component(part) for part in section.sections("prompt")]
        if abs(sum(part["share"] for part in spec["prompt"]) - 1) > 1e-9:
            raise section.error("prompt", "the shares must add up to 1")
        spec["output"] = _output(section.section("output"))
        spec["inflation"] = (
            _inflation(section.section("inflation")) if section.has("inflation") else None
        )
    section.done()
    return spec


def _prompt_component(section: Section) -> dict[str, float]:
    spec = {
        "share": section.number("share", above=0, most=1),
        "offset": section.number("offset", default=0.0, least=0),
        "mu": section.number("mu"),
        "sigma": section.number("sigma", least=0),
    }
    section.done()
    return spec


def _output(section: Section) -> dict[str, float]:
    spec = {
        "shape": section.number("shape", above=0),
        "scale": section.number("scale", above=0),
        "minimum": section.integer("minimum"),
        "maximum": section.integer("maximum"),
    }
    if spec["maximum"] < spec["minimum"]:
        raise section.error("maximum", f"must be at least minimum ({spec['minimum']})")
    section.done()
    return spec


def _inflation(section: Section) -> dict[str, float]:
    spec = {
        "factor": section.integer("factor"),
        "prompt_share": section.number("prompt_share", least=0, most=1),
        "output_share": section.number("output_share", least=0, most=1),
    }
    section.done()
    return spec

"""The GPUs and models that benchmarks may name, read from ``catalogue.yaml``."""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from openglia.errors import UsageError
from openglia.paths import ROOT

CATALOGUE = Path(__file__).with_name("catalogue.yaml")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU: the maker's peaks, and what an inference engine reaches of them (fp16)."""

    name: str
    memory_gb: float
    peak_tflops: float
    peak_bandwidth_gb_s: float
    effective_tflops: float
    effective_bandwidth_gb_s: float
    launch_overhead_us: float  # fixed time of every operator
    vidur_device: str  # Vidur's device, which plans memory and nothing else
    source: str
    effective_source: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """The shape of a decoder-only transformer; fields are named as in Vidur's model config."""

    name: str
    num_layers: int
    num_q_heads: int
    num_kv_heads: int
    embedding_dim: int
    mlp_hidden_dim: int
    vocab_size: int
    use_gated_mlp: bool
    post_attn_norm: bool
    vidur_name: str
    source: str

    @property
    def head_dim(self) -> int:
        """Elements of one attention head."""
        return self.embedding_dim // self.num_q_heads


def gpu(name: str) -> Gpu:
    """The GPU called ``name``.

    Raises:
        UsageError: the catalogue does not have it, or its entry is not of the right form.
    """
    return _entry(Gpu, "gpus", name)


def model(name: str) -> Model:
    """The model called ``name``.

    Raises:
        UsageError: the catalogue does not have it, or its entry is not of the right form.
    """
    return _entry(Model, "models", name)


@cache
def _read() -> dict[str, dict[str, dict[str, Any]]]:
    catalogue: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(CATALOGUE.read_text())
    return catalogue


def _entry[Kind: (Gpu, Model)](kind: type[Kind], section: str, name: str) -> Kind:
    entries = _read()[section]
    if name not in entries:
        known = ", ".join(sorted(entries))
        raise UsageError(
            f"{name!r} is not among the {section} of the catalogue ({known}); "
            f"name one of them or add it to {CATALOGUE.relative_to(ROOT)}"
        )
    entry = entries[name]
    wanted = {field.name for field in fields(kind)} - {"name"}
    if wrong := sorted(wanted ^ entry.keys()):
        raise UsageError(
            f"{section}/{name} in {CATALOGUE} has missing or unknown fields: {', '.join(wrong)}"
        )
    return kind(name=name, **entry)

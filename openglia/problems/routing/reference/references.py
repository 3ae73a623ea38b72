"""The routers of the reference table, and what has been published of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ROUTERS = Path(__file__).parent / "routers"

LLQ, HEAD_ROOM = "LLQ", "head-room"  # what the others are set in relation to


@dataclass(frozen=True)
class Reference:
    """A router of the table. ``scheduler`` is what an evaluation takes."""

    label: str
    scheduler: str
    what: str  # who published it, and its rule in a line
    paper: float | None = None  # mean response time that the Glia paper reports for it, s


def _router(label: str, name: str, what: str, paper: float | None = None) -> Reference:
    return Reference(label, str(_ROUTERS / f"{name}.py"), what, paper)


REFERENCES = (
    Reference("round-robin", "builtin:round_robin", "the replicas in turn", 63.4),
    Reference("LOR", "builtin:lor", "Vidur: fewest waiting", 59.6),
    Reference(LLQ, "builtin:llq", "Glia paper: fewest waiting and running", 54.6),
    _router("power of two", "power_of_two", "Mitzenmacher 2001: fewer in flight of two at random"),
    _router(
        "look-ahead", "look_ahead", "Block, 2508.03611: earliest end in a model of the replica"
    ),
    _router("head-room FCFS", "head_room_fifo", "as head-room, the oldest first"),
    _router("Nested WAIT", "nested_wait", "2504.11320: a threshold per stage of the decode"),
    _router("Past-Future", "past_future", "2507.10150: peak of future memory, past outputs drawn"),
    _router("tail-aware", "tail_aware", "2606.18431: as head-room, arrival less a boost by size"),
    _router("predictive", "predictive", "after FunSearch's in the Glia paper: mean output", 32.5),
    _router("smallest volume", "smallest_volume", "2606.22327: smallest KV volume, estimated"),
    _router("Expert", "expert", "Glia artifact: shortest prompt, committed blocks", 25.6),
    _router("projection", "projection", "shortest prompt, expected memory by what was produced"),
    _router(HEAD_ROOM, "head_room", "Glia paper's HRA: shortest prompt, r = 0.6, m = 0.03", 24.1),
)
CLAIRVOYANT = Reference("*clairvoyant*", "", "knows every output length: outside the rules")

# The figures of a row that are compared, and their names in words; the lower, the better.
OBJECTIVES: Mapping[str, str] = {
    "mean_response_time": "mean response time",
    "p50": "p50",
    "p90": "p90",
    "p99": "p99",
    "ttft_mean": "mean TTFT",
    "ttft_p99": "p99 of TTFT",
    "tpot_mean": "TPOT",
    "restarted_share": "restarts",
    "makespan": "makespan",
}

"""From a point of the family to a scheduler file that a person can read.

The file holds only what its policy needs: ``templates`` has the parts, this module joins them.
"""

import textwrap
from string import Template

from openglia.discovery.offline import templates
from openglia.discovery.offline.policy import MEANING, Parameters, describe
from openglia.discovery.offline.templates import Part

_PRIORITY = {
    "arrival": "request.arrived_at",
    "latest": "-request.arrived_at",
    "shortest_prompt": "request.num_prefill_tokens",
    "longest_prompt": "-request.num_prefill_tokens",
    # All in the queue age alike, so the arrival stands for the wait and no clock is needed.
    "aged_prompt": "request.num_prefill_tokens + AGE_WEIGHT * request.arrived_at",
}
_LOAD = {
    "waiting": "self._waiting[replica]",
    "in_flight": "self._in_flight[replica]",
    "allocated_blocks": "self._blocks[replica]",
    "predicted_work": "self._work[replica]",
    "projected_blocks": "self.peak(replica, request)",
}
_ADMITS = {
    "none": "True",
    "cap": "self._in_flight[replica] < CAP",
    "head_room": "self._blocks[replica] + self.blocks(request.num_prefill_tokens) <= self._usable",
    "learned": "self._reserved[replica] + self.blocks_at_end(request) <= self._usable",
    "projected": "self.peak(replica, request) <= self._usable",
}
# Of requests that do not fit, so many are held back before all behind them wait too. More than one:
# those behind may overtake. The bound keeps a call cheap when thousands wait.
_HELD = {"no": 1, "yes": 8}


def render(parameters: Parameters) -> str:
    """The scheduler file of ``parameters``. It obeys the rules of ``problem.md``."""
    parts = [part for part in templates.PARTS if part.needed(parameters)]
    text = Template(templates.FILE).substitute(
        summary=textwrap.fill(f"Policy: {describe(parameters)}.", 96),
        imports="\nimport numpy as np\n" if parameters.learns else "",
        constants="\n".join(_constants(parameters)),
        state=_block([line for part in parts for line in part.state]),
        look=_block(_look(parameters, parts), indent=12),
        order=MEANING["order", parameters.order],
        priority=_PRIORITY[parameters.order],
        load=MEANING["load", parameters.load],
        load_value=_LOAD[parameters.load],
        admission=MEANING["admission", parameters.admission].capitalize(),
        admits=_ADMITS[parameters.admission],
        place=_block([line for part in parts for line in part.place]),
        methods="".join(part.methods for part in parts),
    )
    return text.rstrip() + "\n"


def _look(parameters: Parameters, parts: list[Part]) -> list[str]:
    lines = [line for part in parts for line in part.look]
    if parameters.learns:
        lines += ["if present == self._in_flight[number]:", "    continue  # nothing completed"]
    lines.append("self._in_flight[number] = present")
    return lines + [line for part in parts for line in part.look_if_changed]


def _block(lines: list[str] | tuple[str, ...], indent: int = 8) -> str:
    return "".join("\n" + " " * indent + line for line in lines)


def _constants(parameters: Parameters) -> list[str]:
    lines = [f"HELD = {_HELD[parameters.overtaking]}  # requests held back before all wait"]
    if parameters.order == "aged_prompt":
        lines.append(f"AGE_WEIGHT = {parameters.age_weight:g}  # tokens per second of waiting")
    if parameters.admission == "cap":
        lines.append(f"CAP = {parameters.cap}  # requests in flight on a replica")
    if parameters.admission == "head_room":
        lines.append(f"RESERVATION = {parameters.reservation:g}  # room for the output, of prompt")
        lines.append(f"CONSTANT = {parameters.constant}  # further room for the output, tokens")
    if parameters.admission == "learned":
        lines.append(f"FACTOR = {parameters.factor:g}  # room for the output, of the mean output")
    if parameters.learns:
        lines.append("FIRST_GUESS = 256  # mean output in tokens, until completions are seen")
        lines.append("LONGEST = 8192  # tokens of an output")
    if parameters.projects:
        lines.append(f"HORIZON = {parameters.horizon}  # how far ahead, tokens per request")
        lines.append("AHEAD = np.unique(np.geomspace(4, HORIZON, 6).round().astype(int))")
        lines.append(f"CAUTION = {parameters.caution:g}  # standard deviations of the projection")
    if parameters.admission not in ("none", "cap"):
        lines.append(f"MARGIN = {parameters.margin:g}  # share of the blocks left free")
    return lines

"""The plots of one seed simulated again: distribution of response times, KV cache and queues.

Imports inside functions are late: matplotlib takes a second to load.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openglia.presenting.drawing import COLOURS, Plot, legend
from openglia.problems.routing.hooks import ROUTER, Hook

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = (0, 0.25, 0.5, 0.75, 0.9, 1)
SERIES = (
    ("kv_mean", "KV-cache blocks\nin use (%)", 100.0),
    ("router_queue", "requests held\nby the router", 1.0),
    ("replica_queue", "requests waiting\nat replicas", 1.0),
)


def distribution(measured: Mapping[str, Any], hook: Hook = ROUTER) -> Plot:
    """The share of requests answered within a time, for the final one and the yardstick."""
    routers = measured["routers"]
    label = {"final": f"final {hook.noun}", hook.yardstick: hook.yardstick.upper()}

    def draw(figure: "Figure", narrow: bool) -> None:
        from matplotlib.ticker import FuncFormatter

        axes = figure.subplots()
        for name in reversed(label):
            times = routers[name]["quantiles"]
            shares = [step / (len(times) - 1) for step in range(len(times))]
            axes.step(
                times, shares, where="post", **_style(name),
                label=f"{label[name]} (mean {routers[name]['mean']:.1f} s)",
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_yticks(SHARES, [f"{100 * share:.0f}" for share in SHARES])
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("response time (s, logarithmic)")
        axes.set_ylabel("requests answered (%)")
        legend(figure, *axes.get_legend_handles_labels(), columns=1 if narrow else 2)

    def at_share(name: str, share: float) -> str:
        times = routers[name]["quantiles"]
        return f"{times[round(share * (len(times) - 1))]:.1f} s"

    return Plot(
        "response_times",
        "Distribution of response times",
        f"Share of the {routers['final']['requests']} requests of seed {measured['seed']} that are "
        "answered within a time; further left is better. Simulated again for this report on the "
        f"evaluation seed on which {hook.yardstick.upper()}'s mean is the median.",
        "; ".join(
            f"{label[name]}: half of the requests within {at_share(name, 0.5)}, 90 % within "
            f"{at_share(name, 0.9)}, 99 % within {at_share(name, 0.99)}"
            for name in label
        ),
        draw,
        (4.0, 3.5),
    )


def timeline(measured: Mapping[str, Any], hook: Hook = ROUTER) -> Plot:
    """Use of the KV cache and both queues over simulated time, for the same two."""
    routers = measured["routers"]
    label = {"final": f"final {hook.noun}", hook.yardstick: hook.yardstick.upper()}

    def draw(figure: "Figure", narrow: bool) -> None:
        panels = figure.subplots(len(SERIES), 1, sharex=True)
        for axes, (key, words, scale) in zip(panels, SERIES, strict=True):
            for name in reversed(label):
                series = routers[name]["series"]
                if key == "kv_mean":
                    low, high = ([scale * v for v in series[k]] for k in ("kv_min", "kv_max"))
                    axes.fill_between(
                        series["time"],
                        low,
                        high,
                        color=_style(name)["color"],
                        alpha=0.18,
                        linewidth=0,
                    )
                axes.plot(
                    series["time"], [scale * value for value in series[key]], **_style(name),
                    linewidth=1.5, label=label[name],
                )  # fmt: skip
            axes.set_ylabel(words, fontsize=9 if narrow else 10)
            axes.set_ylim(bottom=0)
        panels[0].set_ylim(0, 102)
        figure.align_ylabels(panels)
        panels[-1].set_xlabel("simulated time (s)")
        panels[-1].margins(x=0.01)
        legend(figure, *panels[0].get_legend_handles_labels(), columns=2)

    peaks = "; ".join(
        f"{label[name]}: KV-cache use {_mean(routers[name]['series']['kv_mean']):.0%} on average, "
        f"at most {max(routers[name]['series']['router_queue']):.0f} requests held by the router "
        f"and {max(routers[name]['series']['replica_queue']):.0f} waiting at replicas"
        for name in label
    )
    return Plot(
        "timeline",
        "KV cache and queues over time",
        f"Seed {measured['seed']}. Lines of the first panel are means over the replicas, bands "
        "reach from the least to the most loaded one. After the last arrival the queues drain.",
        peaks,
        draw,
        (7.0, 6.4),
    )


def _style(name: str) -> dict[str, Any]:
    final = name == "final"
    colour = COLOURS["final" if final else "yardstick"]
    return {"color": colour, "linestyle": "-" if final else (0, (4, 1.5))}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0

"""What is particular about a benchmark's cluster, in words for agents and people."""

from openglia.problems.routing.benchmark.definition import Cluster

_SAID = (4, "A10", "Llama-3-8B", 2400, 16)  # of the usual cluster, in problem.md


def blocks(cluster: Cluster) -> str:
    """KV-cache blocks per replica: ``2400``, or ``2 x 2400 + 1 x 26674``."""
    if not cluster.groups:
        return str(cluster.replica_scheduler.num_blocks)
    return " + ".join(f"{group.replicas} x {group.num_blocks}" for group in cluster.groups)


def section(cluster: Cluster) -> list[str]:
    """A section of Markdown in paragraphs; none if it has no more than every cluster."""
    lines = [*_of_groups(cluster), *_of_signals(cluster), *_of_failures(cluster)]
    if not lines:
        return []
    heading = "## What is particular about this cluster"
    intro = "This holds where it differs from what is said above; `INTERFACE.md` has the details."
    return [heading, intro, "\n".join(f"- {line}" for line in lines)]


def _of_groups(cluster: Cluster) -> list[str]:
    policy = cluster.replica_scheduler
    size = f"KV-cache blocks of {policy.block_size} tokens"
    if not cluster.groups:
        here = (cluster.replicas, cluster.gpu, cluster.model, policy.num_blocks, policy.block_size)
        if here == _SAID:
            return []
        return [
            f"**The replicas**: {cluster.replicas} of {cluster.model}, each on one {cluster.gpu} "
            f"with {policy.num_blocks} {size}."
        ]
    found, first = [], 0
    for group in cluster.groups:
        last = first + group.replicas - 1
        named = f"replica {first}" if last == first else f"replicas {first} to {last}"
        found.append(f"{named}: {group.gpu}, {group.num_blocks} {size}")
        first = last + 1
    return [f"**{cluster.replicas} replicas that differ**: {'; '.join(found)}."]


def _of_signals(cluster: Cluster) -> list[str]:
    signals = cluster.signals
    if signals is None:
        return []
    own = "are seen at once" if signals.own_placements else "are not seen until then either"
    return [
        f"**Old signals**: what the router sees of replicas and of placed requests is refreshed "
        f"every {signals.delay:g} s; its own placements {own}. It is called at arrivals and at "
        f"refreshes, not at completions."
    ]


def _of_failures(cluster: Cluster) -> list[str]:
    if not cluster.failures:
        return []
    told = "; ".join(
        f"replica {one.replica} from {one.at:g} to {one.at + one.duration:g} s"
        for one in cluster.failures
    )
    return [
        f"**Failures**: {told}. Its requests come back to the router's queue without their KV "
        f"cache; `failed` tells that it is down, and what is placed on it waits until it is back."
    ]

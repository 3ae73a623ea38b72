"""First come, first served."""


# EVOLVE-BLOCK-START
def priority(job, now):
    """The lower, the sooner. ``job`` has arrived_at (s), size (s of work) and weight."""
    waited = now - job.arrived_at
    return 0.0 * job.size - 0.0 * job.weight - 1.0 * waited


# EVOLVE-BLOCK-END

"""What a router is scored on: a cluster, a workload and its traces, seeds and limits."""

"""What a router is measured on: benchmarks, workloads, evaluations, statistics."""

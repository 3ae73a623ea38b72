"""Vidur's simulator with an eye on the replicas' memory. Imported where Vidur can be."""

from typing import Any

from vidur.simulator import Simulator


class ObservedSimulator(Simulator):  # type: ignore[misc]
    """Integrates the use of KV-cache blocks over time and samples the replicas' state.

    Args:
        resolution: seconds between samples; None for no samples.
    """

    def __init__(self, config: Any, resolution: float | None) -> None:
        super().__init__(config)
        self._resolution = resolution
        self._next_sample = 0.0 if resolution else float("inf")
        self._block_seconds = 0.0
        self._replicas = list(self._scheduler._replica_schedulers.values())
        self.series: list[tuple[float, int, int, float, int, int]] = []

    @property
    def end_time(self) -> float:
        """When the last event happened, in seconds."""
        return float(self._time)

    @property
    def kv_use_mean(self) -> float | None:
        """Share of the KV-cache blocks that was allocated, mean over time and replicas."""
        blocks = sum(replica._config.num_blocks for replica in self._replicas)
        return self._block_seconds / (blocks * self._time) if self._time else None

    def _set_time(self, time: float) -> None:
        # The state before the event holds from the event before it until now.
        if time > self._time:
            used = sum(replica._num_allocated_blocks for replica in self._replicas)
            self._block_seconds += used * (time - self._time)
            while self._next_sample <= time:
                self._sample(self._next_sample)
                self._next_sample += self._resolution or 0.0
        super()._set_time(time)

    def _sample(self, time: float) -> None:
        for replica in self._replicas:
            self.series.append(
                (
                    time,
                    replica.replica_id,
                    replica.num_allocated_blocks,
                    replica.memory_usage_percent,
                    len(replica._allocation_map),
                    replica.num_pending_requests,
                )
            )
        self.series.append((time, -1, 0, 0.0, 0, len(self._scheduler._request_queue)))

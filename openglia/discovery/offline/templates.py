"""The parts of a scheduler file of the offline researcher's family, as text."""

from collections.abc import Callable
from dataclasses import dataclass

from openglia.discovery.offline.policy import Parameters

FILE = '''\
"""A router drawn from the offline researcher's family.

$summary
"""

from bisect import insort
$imports
from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

$constants


class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._in_flight = dict.fromkeys(self._replica_schedulers, 0)  # requests there
        self._in_order = 0  # requests at the front of the queue that are sorted$state

    def schedule(self) -> list[tuple[int, Request]]:
        if not self._request_queue:
            return []
        self.look()
        self.enqueue()
        placements, held = [], 0
        while held < min(HELD, len(self._request_queue)):
            request = self._request_queue[held]
            # A replica with nothing to do takes any request, so nobody waits for ever.
            replicas = [
                replica
                for replica, busy in self._in_flight.items()
                if not busy or self.admits(replica, request)
            ]
            if not replicas:
                held += 1
                continue
            replica = min(replicas, key=lambda replica: (self.load(replica, request), replica))
            self.place(replica, request)
            placements.append((replica, self._request_queue.pop(held)))
        self._in_order = len(self._request_queue)
        return placements

    def enqueue(self) -> None:
        """Put what has arrived since the last call where it belongs in the queue."""
        arrived = self._request_queue[self._in_order :]
        del self._request_queue[self._in_order :]
        for request in arrived:
            insort(self._request_queue, request, key=self.priority)

    def priority(self, request: Request) -> tuple[float, int]:
        """Whoever has the least goes first.

        Here: $order.
        """
        return ($priority, request.id)

    def load(self, replica: int, request: Request) -> float:
        """Of the replicas that admit a request, the one with the least gets it.

        Here: $load.
        """
        return $load_value

    def admits(self, replica: int, request: Request) -> bool:
        """$admission."""
        return $admits

    def look(self) -> None:
        """Bring what is known of the replicas up to date."""
        for number, replica in self._replica_schedulers.items():
            present = replica.num_pending_requests + len(replica._allocation_map)$look

    def place(self, replica: int, request: Request) -> None:
        """Count the request as there."""
        self._in_flight[replica] += 1$place
$methods'''


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that a router keeps track of, and the code for it."""

    needed: Callable[[Parameters], bool]
    state: tuple[str, ...] = ()  # lines of __init__
    look: tuple[str, ...] = ()  # lines of look(), for each replica
    look_if_changed: tuple[str, ...] = ()  # likewise, where the number in flight has changed
    place: tuple[str, ...] = ()  # lines of place()
    methods: str = ""


def _uses_usable(p: Parameters) -> bool:
    return p.admission in ("head_room", "learned", "projected")


def _uses_block_size(p: Parameters) -> bool:
    return _uses_usable(p) or p.projects or p.load == "allocated_blocks"


def _uses_blocks(p: Parameters) -> bool:
    return p.admission == "head_room" or p.load == "allocated_blocks"


def _uses_mean(p: Parameters) -> bool:
    return p.admission == "learned" or p.load == "predicted_work"


PARTS = (
    Part(
        needed=_uses_block_size,
        state=(
            "policy = next(iter(self._replica_schedulers.values()))._config",
            "self._block_size = policy.block_size  # tokens",
        ),
    ),
    Part(needed=_uses_usable, state=("self._usable = (1 - MARGIN) * policy.num_blocks",)),
    Part(
        needed=lambda p: p.load == "waiting",
        state=("self._waiting = dict.fromkeys(self._replica_schedulers, 0)",),
        look=("self._waiting[number] = replica.num_pending_requests",),
        place=("self._waiting[replica] += 1",),
    ),
    Part(
        needed=_uses_blocks,
        state=("self._blocks = dict.fromkeys(self._replica_schedulers, 0.0)",),
        look=(
            "self._blocks[number] = replica.num_allocated_blocks + sum(",
            "    self.blocks(request.num_prefill_tokens) for request in replica._request_queue",
            ")",
        ),
        place=("self._blocks[replica] += self.blocks(request.num_prefill_tokens)",),
    ),
    Part(
        needed=lambda p: _uses_blocks(p) and p.admission == "head_room",
        methods='''
    def blocks(self, prompt: int) -> float:
        """KV-cache blocks for a prompt that is not in yet, with room for its output."""
        return (prompt * (1 + RESERVATION) + CONSTANT) / self._block_size
''',
    ),
    Part(
        needed=lambda p: _uses_blocks(p) and p.admission != "head_room",
        methods='''
    def blocks(self, prompt: int) -> float:
        """KV-cache blocks for a prompt that is not in yet."""
        return prompt / self._block_size
''',
    ),
    Part(
        needed=lambda p: p.learns,
        state=(
            "# Per replica: requests placed there and not completed, with their first prompts,",
            "# and how many tokens each had produced when the replica was looked at.",
            "self._placed = {replica: [] for replica in self._replica_schedulers}",
            "self._prompts = dict.fromkeys(self._replica_schedulers, np.zeros(0, int))",
            "self._produced = dict.fromkeys(self._replica_schedulers, np.zeros(0, int))",
            "self._completed = 0",
            "self._output_tokens = 0  # of the completed requests",
            "self._outputs = np.zeros(LONGEST, int)  # how many of them had which output",
        ),
        look_if_changed=("self.collect(number)",),
        place=("self._placed[replica].append((request, request.num_prefill_tokens))",),
        methods='''
    def collect(self, replica: int) -> None:
        """Learn from what completed on the replica, and see how far the others are.

        What a request had produced before an eviction is part of its new prompt.
        """
        running = []
        for request, prompt in self._placed[replica]:
            if request.completed:
                output = request.num_processed_tokens - prompt
                self._completed += 1
                self._output_tokens += output
                self._outputs[min(output, LONGEST - 1)] += 1
            else:
                running.append((request, prompt))
        self._placed[replica] = running
        self._prompts[replica] = np.array([prompt for _, prompt in running], dtype=int)
        tokens = [max(r.num_processed_tokens, r.num_prefill_tokens) for r, _ in running]
        produced = np.array(tokens, dtype=int) - self._prompts[replica]
        self._produced[replica] = produced.clip(0, LONGEST - 1)
''',
    ),
    Part(
        needed=_uses_mean,
        state=("self._mean_output = FIRST_GUESS  # tokens",),
        look_if_changed=(
            "if self._completed:",
            "    self._mean_output = self._output_tokens / self._completed",
        ),
    ),
    Part(
        needed=lambda p: p.load == "predicted_work",
        state=("self._work = dict.fromkeys(self._replica_schedulers, 0.0)  # tokens to come",),
        look_if_changed=(
            "left = np.maximum(self._mean_output - self._produced[number], 1)",
            "self._work[number] = float(left.sum())",
        ),
        place=("self._work[replica] += self._mean_output",),
    ),
    Part(
        needed=lambda p: p.admission == "learned",
        state=("self._reserved = dict.fromkeys(self._replica_schedulers, 0.0)  # blocks",),
        look_if_changed=(
            "room = np.maximum(FACTOR * self._mean_output, self._produced[number])",
            "tokens = float((self._prompts[number] + room).sum())",
            "self._reserved[number] = tokens / self._block_size",
        ),
        place=("self._reserved[replica] += self.blocks_at_end(request)",),
        methods='''
    def blocks_at_end(self, request: Request) -> float:
        """KV-cache blocks that a request is expected to hold when it completes."""
        tokens = request.num_prefill_tokens + FACTOR * self._mean_output
        return tokens / self._block_size
''',
    ),
    Part(
        needed=lambda p: p.projects,
        state=(
            "# Per replica: mean and variance of the blocks in use, at each point AHEAD.",
            "self._mean = dict.fromkeys(self._replica_schedulers, np.zeros(len(AHEAD)))",
            "self._variance = dict.fromkeys(self._replica_schedulers, np.zeros(len(AHEAD)))",
            "self._newcomer = None  # the request projected last, with its projection",
            "self._learnt_from = 0  # completed requests behind the survival table",
            "self._stay = self.survival()",
        ),
        look_if_changed=("self.project(number)",),
        place=(
            "mean, variance = self.of_newcomer(request)",
            "self._mean[replica] = self._mean[replica] + mean",
            "self._variance[replica] = self._variance[replica] + variance",
        ),
        methods='''
    def survival(self) -> np.ndarray:
        """P(a request runs h tokens longer | it has produced a), for h in AHEAD and every a.

        From the outputs seen so far (Kaplan and Meier): of a request that still runs, it is known
        that its output is longer than what there is. Two made-up requests, exponential with mean
        FIRST_GUESS, stand for what is not known yet.
        """
        lengths = np.arange(LONGEST)
        guess = 2.0 * np.exp(-lengths / FIRST_GUESS)
        still = np.bincount(np.concatenate(list(self._produced.values())), minlength=LONGEST)
        at_risk = np.cumsum((self._outputs + still)[::-1])[::-1] + guess
        hazard = (self._outputs + guess / FIRST_GUESS) / np.maximum(at_risk, 1e-9)
        survival = np.cumprod(np.concatenate([[1.0], 1 - hazard[:-1].clip(0, 0.9)])) + 1e-12
        return survival[np.minimum(lengths + AHEAD[:, None], LONGEST - 1)] / survival

    def project(self, replica: int) -> None:
        """Project the blocks that the requests on the replica will hold."""
        if self._completed > 1.1 * self._learnt_from + 10:
            self._learnt_from = self._completed
            self._stay = self.survival()
            self._newcomer = None
        stay = self._stay[:, self._produced[replica]]
        tokens = self._prompts[replica] + self._produced[replica]
        blocks = (tokens + AHEAD[:, None]) / self._block_size + 0.5
        expected = stay * blocks
        self._mean[replica] = expected.sum(axis=1)
        self._variance[replica] = (expected * (blocks - expected)).sum(axis=1)

    def of_newcomer(self, request: Request) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the blocks that a request yet to be placed will hold."""
        if self._newcomer is None or self._newcomer[0] is not request:
            blocks = (request.num_prefill_tokens + AHEAD) / self._block_size + 0.5
            expected = self._stay[:, 0] * blocks
            self._newcomer = (request, expected, expected * (blocks - expected))
        return self._newcomer[1], self._newcomer[2]

    def peak(self, replica: int, request: Request) -> float:
        """The highest projected need of the replica with the request, and CAUTION on top."""
        mean, variance = self.of_newcomer(request)
        deviation = np.sqrt(self._variance[replica] + variance)
        return float((self._mean[replica] + mean + CAUTION * deviation).max())
''',
    ),
)

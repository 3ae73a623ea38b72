"""What a router sees, and what happens to one that takes more than it is given."""

import contextlib
import re
from pathlib import Path
from types import FunctionType, ModuleType

import numpy as np
import pytest

from openglia.problems.routing.benchmark.definition import Cluster, Limits, ReplicaScheduler
from openglia.problems.routing.benchmark.trace import Trace
from openglia.problems.routing.simulator import interface
from openglia.problems.routing.simulator.engine import simulate
from openglia.problems.routing.simulator.failures import RouterFailureError
from openglia.problems.routing.simulator.interface import BaseGlobalScheduler, OracleError, Request
from openglia.problems.routing.simulator.loading import load_router, vidur_modules
from openglia.problems.routing.simulator.routers import LlqRouter, RoundRobinRouter
from openglia.problems.routing.simulator.timing import ExecutionTimes

CLUSTER = Cluster(
    replicas=2,
    gpu="A10",
    model="Llama-3-8B",
    max_tokens=8192,
    replica_scheduler=ReplicaScheduler(type="sarathi", num_blocks=600, chunk_size=256),
)
# Lengths that are found nowhere else, so that a search for them means something.
OUTPUTS = [901, 907, 911, 919, 929, 937]
TRACE = Trace(
    [0.0, 0.1, 0.1, 0.4, 3.0, 9.0],
    [400, 30, 20, 300, 77, 5],
    OUTPUTS,
)


@pytest.fixture(scope="module")
def times() -> ExecutionTimes:
    return ExecutionTimes.analytic(CLUSTER)


def run(router, times, **options):
    return simulate(CLUSTER, TRACE, router, times, **options)


def failure(router, times, **options) -> RouterFailureError:
    with pytest.raises(RouterFailureError) as caught:
        run(router, times, **options)
    assert "\n" not in caught.value.reason
    return caught.value


def reachable(root: object) -> dict[int, object]:
    """Every object that attributes, slots and containers lead to from ``root``."""
    found: dict[int, object] = {}
    todo = [root]
    while todo:
        thing = todo.pop()
        if id(thing) in found or isinstance(thing, type | ModuleType | FunctionType):
            continue
        found[id(thing)] = thing
        if isinstance(thing, dict):
            todo += [*thing.keys(), *thing.values()]
        elif isinstance(thing, str | bytes | int | float):
            continue
        else:
            names = {
                name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())
            }
            names |= set(getattr(thing, "__dict__", {}))
            names |= {name for name in dir(thing) if not name.startswith("__")}
            for name in names:
                try:
                    value = getattr(thing, name)
                except (AttributeError, OracleError):
                    continue
                todo.append(getattr(value, "__self__", value))
            if hasattr(thing, "__iter__"):
                todo += list(thing)
    return found


def test_no_output_length_can_be_reached_while_it_matters(times):
    searched = []

    class Searching(LlqRouter):
        def schedule(self):
            placements = super().schedule()
            hidden = set(OUTPUTS) | {
                prompt + output
                for prompt, output in zip(TRACE.num_prefill_tokens, OUTPUTS, strict=True)
            }
            done = {request.id for request in self.seen if request.completed}
            # What a request has processed is known; it passes every number on its way.
            known = {request.num_processed_tokens for request in self.seen}
            known |= {request.num_processed_decode_tokens for request in self.seen}
            known |= {replica._steps for replica in self._replica_schedulers.values()}
            things = reachable(self)
            numbers = {thing for thing in things.values() if type(thing) is int}
            assert not (numbers & hidden) - known
            assert not any("Job" in type(thing).__name__ for thing in things.values())
            assert not any(type(thing).__module__.endswith("replica") for thing in things.values())
            searched.append((len(things), len(done)))
            return placements

        def add_request(self, request):
            self.__dict__.setdefault("seen", []).append(request)
            super().add_request(request)

    run(Searching, times)
    assert len(searched) > 6
    assert max(size for size, _ in searched) > 30


@pytest.mark.parametrize("name", sorted(Request._ORACLES))
def test_an_oracle_is_refused_however_it_is_asked_for(name, times):
    class Asking(LlqRouter):
        def schedule(self):
            for request in self._request_queue:
                with contextlib.suppress(Exception):
                    getattr(request, name, 0)
            return super().schedule()

    found = failure(Asking, times)
    assert found.rule == "oracle"
    assert name in found.reason


def test_an_unknown_attribute_is_named_with_what_there_is(times):
    class Asking(LlqRouter):
        def schedule(self):
            return self._replica_schedulers[0].queue_length

    found = failure(Asking, times)
    assert found.rule == "interface"
    assert "'queue_length'" in found.reason
    assert "num_pending_requests" in found.reason
    assert "test_interface.py" in found.detail


def test_hasattr_and_own_attributes_work(times):
    class Noting(LlqRouter):
        def schedule(self):
            for request in self._request_queue:
                assert not hasattr(request, "score")
                request.score = 7
            return super().schedule()

    run(Noting, times)


def placing(choose):
    """A router that does as llq but returns what ``choose`` makes of the placements."""

    class Placing(LlqRouter):
        def schedule(self):
            return choose(self, super().schedule())

    return Placing


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (lambda self, made: [(2, request) for _, request in made], "replicas 0 to 1"),
        (lambda self, made: [(-1, request) for _, request in made], "replica -1"),
        (lambda self, made: [("0", request) for _, request in made], "pairs"),
        (lambda self, made: None, "pairs"),
        (lambda self, made: [request for _, request in made], "pairs"),
        (lambda self, made: made + made, "does not wait"),
        (lambda self, made: [(number, request.id) for number, request in made], "type int"),
        (lambda self, made: [(n, Request(r.id, 0.0, 5)) for n, r in made], "does not wait"),
        (lambda self, made: self._request_queue.extend(r for _, r in made) or made, "still holds"),
        (lambda self, made: self._request_queue.extend(["?"] * 9) or made, "still holds"),
        (lambda self, made: setattr(self, "_request_queue", None) or made, "a list"),
    ],
)
def test_an_invalid_placement_is_refused(choose, words, times):
    found = failure(placing(choose), times)
    assert found.rule == "invalid-placement"
    assert words in found.reason


def test_a_request_that_is_never_placed_fails_the_simulation(times):
    kept = placing(lambda self, made: [pair for pair in made if pair[1].id != 3])
    found = failure(kept, times)
    assert found.rule == "never-completed"
    assert "first is 3" in found.reason


def test_a_prompt_that_can_never_fit_fails_the_simulation(times):
    trace = Trace([0.0], [8000], [10])
    small = Cluster(
        replicas=1,
        gpu="A10",
        model="Llama-3-8B",
        max_tokens=8192,
        replica_scheduler=ReplicaScheduler(type="sarathi", num_blocks=100, chunk_size=256),
    )
    with pytest.raises(RouterFailureError, match="memory can never hold") as caught:
        simulate(small, trace, RoundRobinRouter, times)
    assert caught.value.rule == "never-completed"


def test_an_exception_is_reported_with_the_routers_own_lines(times):
    class Failing(LlqRouter):
        def schedule(self):
            return {}["missing"]

    found = failure(Failing, times)
    assert found.rule == "exception"
    assert "KeyError" in found.reason
    assert "test_interface.py" in found.reason
    assert 'return {}["missing"]' in found.detail
    assert "openglia/problems/routing/simulator" not in found.detail


def test_leaving_the_process_is_a_failure(times):
    class Leaving(LlqRouter):
        def schedule(self):
            raise SystemExit(0)

    assert failure(Leaving, times).rule == "exception"


def test_a_constructor_must_call_the_base(times):
    class Forgetful(LlqRouter):
        def __init__(self, config, replicas):
            pass

    assert failure(Forgetful, times).rule == "interface"


def test_what_a_router_changes_is_its_own_loss(times):
    expected = run(LlqRouter, times).records.completed_at

    class Tampering(LlqRouter):
        def schedule(self):
            for replica in self._replica_schedulers.values():
                replica._request_queue.clear()
                for request in replica.active_queue:
                    request._num_prefill_tokens = 1
                    request._processed = 5
                replica._num_allocated_blocks = 0
            placements = super().schedule()
            for _, request in placements:
                request._arrived_at = 0.0
                request._num_prefill_tokens = 1
            return placements

    assert run(Tampering, times).records.completed_at == expected


def test_a_changed_replica_queue_is_noticed(times):
    class Clearing(LlqRouter):
        def schedule(self):
            placements = super().schedule()
            for replica in self._replica_schedulers.values():
                replica._active.clear()
                replica._waiting.clear()
            return placements

    assert failure(Clearing, times).rule == "interface"


@pytest.mark.parametrize("name", ["add_request", "allocate", "free", "on_schedule"])
def test_a_replica_cannot_be_acted_on(name, times):
    class Acting(LlqRouter):
        def schedule(self):
            getattr(self._replica_schedulers[0], name)(self._request_queue[0])
            return super().schedule()

    assert failure(Acting, times).rule == "interface"


def test_a_router_that_is_too_slow_fails(times):
    limits = Limits(router_call_mean_ms=1e-6)
    assert failure(LlqRouter, times, limits=limits).rule == "router-too-slow"


def test_a_router_may_keep_requests_and_hold_them_elsewhere(times):
    class Keeping(BaseGlobalScheduler):
        def __init__(self, config, replicas):
            super().__init__(config, replicas)
            self.mine = []

        def add_request(self, request):
            self.mine.append(request)

        def schedule(self):
            if any(not replica.is_empty() for replica in self._replica_schedulers.values()):
                return []
            placed, self.mine = self.mine, []
            return [(np.int64(request.id % 2), request) for request in placed]

    records = run(Keeping, times).records
    assert records.completed == len(TRACE)
    assert records.replica_id == [0, 1, 0, 1, 0, 1]
    assert records.routed_at[1] > TRACE.arrived_at[1]


def documented(heading: str) -> set[str]:
    text = (Path(interface.__file__).parent / "INTERFACE.md").read_text()
    section = text.split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name.split("(")[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_the_interface_is_documented_as_it_is():
    assert documented("A request") == interface.offered(Request)
    assert documented("A replica") == interface.offered(interface.ReplicaScheduler)
    config = RoundRobinRouter.__init__.__globals__["SimulationConfig"]
    assert config is interface.SimulationConfig
    router = BaseGlobalScheduler.__init__.__code__.co_names
    attributes = {name for name in router if name.startswith("_")}
    methods = {name for name in vars(BaseGlobalScheduler) if not name.startswith("_")}
    assert documented("The router") == attributes | methods


ROUTER = """
from vidur.entities import Request
from vidur.entities.request import Request as Same
from vidur.scheduler import BaseGlobalScheduler
from vidur.config import SimulationConfig
from vidur.types import GlobalSchedulerType
from vidur.logger import init_logger

logger = init_logger(__name__)
assert Same is Request

class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        import vidur.entities  # late imports work, too
        placements = [(0, request) for request in self._request_queue]
        self._request_queue = []
        return placements
"""


def test_a_routers_file_is_loaded_as_it_is(tmp_path, times):
    file = tmp_path / "router.py"
    file.write_text(ROUTER)
    with vidur_modules():
        simulation = run(load_router(file), times)
    assert set(simulation.records.replica_id) == {0}
    with pytest.raises(ModuleNotFoundError):
        import vidur  # noqa: F401


@pytest.mark.parametrize(
    ("source", "rule", "words"),
    [
        ("import vidur.simulator", "import", "vidur.entities"),
        ("from vidur.entities import Batch", "import", "vidur.entities"),
        ("def broken(:", "import", "line 1"),
        ("raise ValueError(5)", "import", "ValueError: 5"),
        ("x = 1", "interface", "class AIGlobalScheduler"),
        ("class AIGlobalScheduler: pass", "interface", "class AIGlobalScheduler"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why(source, rule, words, tmp_path):
    file = tmp_path / "router.py"
    file.write_text(source)
    with vidur_modules(), pytest.raises(RouterFailureError) as caught:
        load_router(file)
    assert caught.value.rule == rule
    assert words in caught.value.reason

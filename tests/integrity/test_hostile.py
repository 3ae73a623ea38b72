"""Hostile routers, each with its expected one-line outcome, scored as any router is."""

import textwrap
from dataclasses import replace

import pytest

from openglia.measuring import worker_fence
from openglia.problems.routing.benchmark.definition import Limits
from openglia.problems.routing.benchmark.loading import load_benchmark
from openglia.problems.routing.evaluation import measuring

HEAD = """\
import math
import random
from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

class AIGlobalScheduler(BaseGlobalScheduler):
"""
PLACE_ALL = """
queue, self._request_queue = self._request_queue, []
return [(0, request) for request in queue]
"""
SECONDS = 1.5  # of wall time that one simulation may take where it is to take too long


@pytest.fixture(scope="module")
def benchmark():
    smoke = load_benchmark("smoke")
    limits = Limits(
        simulation_seconds=300, memory_mb=256, router_call_mean_ms=5.0, router_call_seconds=300
    )
    return replace(smoke, name="hostile", duration=8.0, limits=limits)


def router(schedule=PLACE_ALL, *, more="", top=""):
    """A router with this body of schedule(), further methods, and lines at the top of the file."""
    body = "def schedule(self):\n" + textwrap.indent(schedule.strip("\n"), "    ") + "\n" + more
    return top + HEAD + textwrap.indent(body, "    ")


def outcome(tmp_path, benchmark, source, rule):
    if rule in ("timeout", "router-too-slow"):
        limits = replace(benchmark.limits, simulation_seconds=SECONDS)
        benchmark = replace(benchmark, limits=limits)
    path = tmp_path / "router.py"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    line = measuring.measure(str(path), benchmark, seeds=(0,), jobs=1).to_json()
    assert "\n" not in line.get("reason", "")
    assert len(line.get("detail", "").splitlines()) <= 20
    return line


def constructor(body):
    return "def __init__(self, config, replicas):\n" + textwrap.indent(body, "    ") + "\n"


SUPER = "super().__init__(config, replicas)\n"

# name -> (source, rule, a part of the reason)
CASES = {
    # What is no router.
    "empty file": ("", "rules", "line 1: there is no `class AIGlobalScheduler"),
    "syntax error": ("def (", "rules", "line 1: syntax error: invalid syntax"),
    "not UTF-8": (b"x = '\xff'", "rules", "is not UTF-8 text"),
    "null byte": (b"x = 1\0", "rules", "null bytes"),
    "encoding trick": ("# coding: utf-7\n" + router(), "rules", "declares the encoding utf-7"),
    "bracket bomb": ("x = " + "[" * 10_000, "rules", "line 1:"),
    "huge file": ("#" * 10**6, "rules", "larger than 256 KiB"),
    "no schedule": (HEAD + "    pass\n", "rules", "has no method schedule(self)"),
    "not a scheduler": (
        router().replace("(BaseGlobalScheduler)", ""),
        "interface",
        "must define class AIGlobalScheduler(BaseGlobalScheduler)",
    ),
    # What hangs, floods, ends the process, or uses it up.
    "loop in schedule": (router("while True: pass"), "timeout", "more than 1.5 s"),
    "loop at import": (router(top="while True: pass\n"), "timeout", "more than 1.5 s"),
    "loop in constructor": (router(more=constructor("while True: pass")), "timeout", "1.5 s"),
    "loop that swallows errors": (
        router("while True:\n    try:\n        raise ValueError\n    except:\n        pass"),
        "timeout",
        "more than 1.5 s",
    ),
    "slow generator": (
        router("for _ in range(10**6): pass\nyield from ()"),
        "router-too-slow",
        "ms per call",
    ),
    "slow": (router("sum(range(10**6))\n" + PLACE_ALL), "router-too-slow", "the limit is 5 ms"),
    "recursion": (router("return self.schedule()"), "exception", "RecursionError"),
    "memory hog": (router("self.x = [0] * 10**9\nreturn []"), "memory", "MemoryError"),
    "memory hog in pieces": (
        router("self.x = []\nwhile True: self.x.append(bytearray(10**7))"),
        "memory",
        "MemoryError",
    ),
    "huge output": (
        router("print('x' * 10**7)\n" + PLACE_ALL), "router-too-slow", "the limit is 5 ms"
    ),
    "SystemExit": (router("raise SystemExit(0)"), "exception", "SystemExit"),
    "SystemExit at import": (router(top="raise SystemExit(0)\n"), "import", "SystemExit"),
    "KeyboardInterrupt": (router("raise KeyboardInterrupt"), "crash", "KeyboardInterrupt:"),
    "error with an odd message": (
        router("raise ValueError('a\\nb\\r\\n' + 'x' * 10**6)"),
        "exception",
        "ValueError: a b",
    ),
    "error whose text fails": (
        router(
            "raise Odd()",
            top="class Odd(Exception):\n    def __str__(self): raise ValueError('no text')\n",
        ),
        "crash",
        "no text",
    ),
    "exception in constructor": (router(more=constructor("1 / 0")), "exception", "ZeroDivision"),
    "no super().__init__": (router(more=constructor("pass")), "interface", "super().__init__"),
    "exit()": (router("exit(0)"), "rules", "`exit` is not available"),
    "os._exit": (router("os._exit(0)", top="import os\n"), "rules", "line 1: module os is not"),
    "fork bomb": (router("while 1: os.fork()", top="import os\n"), "rules", "module os"),
    "threads": (router(top="import threading\n"), "rules", "module threading is not allowed"),
    "process": (router(top="import multiprocessing\n"), "rules", "module multiprocessing"),
    # Placements.
    "returns None": (router("pass"), "invalid-placement", "must return a list of pairs"),
    "returns a number": (router("return 3"), "invalid-placement", "must return a list of pairs"),
    "returns a string": (router("return 'ab'"), "invalid-placement", "list of pairs"),
    "returns bare requests": (router("return self._request_queue"), "invalid-placement", "pairs"),
    "swapped pair": (
        router("return [(r, 0) for r in self._request_queue]"),
        "invalid-placement",
        "pairs (replica_id, request)",
    ),
    "NaN replica": (
        router("return [(math.nan, self._request_queue.pop())]"),
        "invalid-placement",
        "'float' object cannot be interpreted as an integer",
    ),
    "negative replica": (
        router("return [(-1, self._request_queue.pop())]"),
        "invalid-placement",
        "replica -1; there are replicas 0 to 3",
    ),
    "no such replica": (
        router("return [(4, self._request_queue.pop())]"),
        "invalid-placement",
        "replica 4; there are replicas 0 to 3",
    ),
    "the same twice": (
        router("r = self._request_queue.pop()\nreturn [(0, r), (1, r)]"),
        "invalid-placement",
        "was placed before",
    ),
    "stays in the queue": (
        router("return [(0, self._request_queue[0])]"),
        "invalid-placement",
        "still holds request 0, which has been placed",
    ),
    "a made-up request": (
        router("self._request_queue = []\nreturn [(0, Request(0, 0.0, 1))]"),
        "invalid-placement",
        "or it is a copy",
    ),
    "dropped": (router("self._request_queue.clear()\nreturn []"), "never-completed", "request"),
    "held for ever": (router("return []"), "never-completed", "request"),
    "slow ones dropped": (
        router(
            "queue, self._request_queue = self._request_queue, []\n"
            "return [(0, r) for r in queue if r.num_prefill_tokens < 500]"
        ),
        "never-completed",
        "request",
    ),
    # The output length.
    "oracle by name": (router("return self._request_queue[0].num_decode_tokens"), "rules", "line"),
    "oracle by computed name": (
        router("return getattr(self._request_queue[0], 'num_' + 'decode_tokens')"),
        "rules",
        "getattr with a computed name",
    ),
    "oracle by format": (
        router("return '{0.num_decode_tokens}'.format(self._request_queue[0])"),
        "rules",
        "use an f-string",
    ),
    "oracle by pattern": (
        router("match self._request_queue[0]:\n    case Request(num_decode_tokens=n): return n"),
        "rules",
        "`num_decode_tokens`",
    ),
    "oracle by a borrowed self": (
        router(
            "for r in self._request_queue: AIGlobalScheduler.peek(r)\nreturn []",
            more="def peek(self): return self.total_tokens\ntotal_tokens: int\n",
        ),
        "oracle",
        "total_tokens depends on the output length",
    ),
    "oracle by a borrowed self, hidden in a generator": (
        router(
            "for r in list(self._request_queue):\n    yield AIGlobalScheduler.peek(r), r",
            more="def peek(self): return self.total_tokens\ntotal_tokens: int\n",
        ),
        "oracle",
        "total_tokens depends on the output length",
    ),
    "oracle, and the error swallowed": (
        router(
            "try:\n    AIGlobalScheduler.peek(self._request_queue[0])\n"
            "except Exception:\n    pass\n" + PLACE_ALL,
            more="def peek(self): return self.total_tokens\ntotal_tokens: int\n",
        ),
        "oracle",
        "total_tokens depends on the output length",
    ),
    "oracle by completion time": (
        router("return self._request_queue[0].completed_at"),
        "oracle",
        "completed_at depends on",
    ),
    "oracle in a decorator": (
        router(top="def spy(f): return f.__globals__\n", more="@spy\ndef f(self): pass\n"),
        "rules",
        ".__globals__",
    ),
    "oracle by a metaclass": (
        router(top="class Meta(type): pass\nclass Spy(metaclass=Meta): pass\n"),
        "rules",
        "`type` must be called on the spot",
    ),
    # The simulator, its objects, its files.
    "garbage collector": (router(top="import gc\n"), "rules", "module gc is not allowed"),
    "frames": (router("return (x for x in ()).gi_frame"), "rules", "`.gi_frame`"),
    "frames of an error": (
        router("try: 1 / 0\nexcept Exception as e: return e.__traceback__.tb_frame"),
        "rules",
        "`.__traceback__`",
    ),
    "sys.modules": (router("import sys; sys.modules.clear()"), "rules", "module sys"),
    "module behind a module": (router("random._os.kill(1, 9)"), "rules", "random._os is not"),
    "subclasses": (router("().__class__.__base__.__subclasses__()"), "rules", "`.__base__`"),
    "monkey-patched class": (router(top="").replace("class AI", "Request.id = 3\nclass AI"),
        "rules", "`.id =` changes a class"),
    "monkey-patched library": (router("math.ceil = int"), "rules", "math.ceil is changed"),
    "trace file": (router("open('/tmp/trace.csv')"), "rules", "`open` is not available"),
    "own folder": (router("return __file__"), "rules", "`__file__` is not available"),
    "numpy reads files": (
        router(top="import numpy as np\nnp.loadtxt('trace.csv')\n"),
        "rules",
        "numpy.loadtxt is not available",
    ),
    "numpy writes files": (
        router(top="import numpy as np\nnp.zeros(3).tofile('x')\n"),
        "rules",
        "`.tofile`",
    ),
    "clock": (router(top="import time\n"), "rules", "real time is not simulated time"),
    "request made younger": (
        router("for r in self._request_queue: r._arrived_at = 1e9\n" + PLACE_ALL),
        "rules",
        "changes the simulator's state",
    ),
    "blocks set free": (
        router("for s in self._replica_schedulers.values(): s.free(1)"),
        "rules",
        "`.free` moves the simulation on",
    ),
    "replicas replaced": (
        router(more=constructor(SUPER + "self._replica_schedulers = {}\n")),
        "interface",
        "leave self._replica_schedulers as that makes it",
    ),
    "queue of its own kind": (
        router("self._request_queue = None\nreturn []"),
        "invalid-placement",
        "keep self._request_queue a list",
    ),
    "unknown attribute": (
        router("return self._request_queue[0].priority"),
        "interface",
        "Request has no attribute 'priority'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_router(name, tmp_path, benchmark):
    source, rule, part = CASES[name]
    line = outcome(tmp_path, benchmark, source, rule)
    assert line["status"] == "failed", line
    assert (line["rule"], part in line["reason"]) == (rule, True), line
    assert "mean_response_time" not in line
    assert len(line["reason"]) <= 500


def test_output_is_kept_up_to_a_limit(tmp_path, benchmark):
    path = tmp_path / "router.py"
    path.write_text(router("print('x' * 10_000)\n" + PLACE_ALL))
    results = tmp_path / "results"
    line = measuring.measure(str(path), benchmark, seeds=(0,), jobs=1, output_dir=results)
    assert line.ok, line
    assert (results / "router.log").stat().st_size == 64 * 1024


# As above, with the static rules switched off: what stands behind them.
UNCHECKED = {
    "os._exit": (router("os._exit(0)", top="import os\n"), "crash", "an exit of its own"),
    "os._exit at import": (router(top="import os\nos._exit(0)\n"), "crash", "an exit of its own"),
    "a failure's status": (router("os._exit(3)", top="import os\n"), "crash", "exit"),
    "suicide": (router("os.kill(os.getpid(), 9)", top="import os\n"), "crash", "signal"),
    "the worker killed": (
        router("os.kill(os.getppid(), 9)\nwhile 1: pass", top="import os\n"),
        # Process 1 of a namespace gets no signal from within it.
        "crash" if worker_fence.problem() else "timeout",
        "",
    ),
    "files closed": (
        router("os.closerange(0, 99)\nos._exit(0)", top="import os\n"), "crash", "exit",
    ),
    "clock stopped": (
        router(
            "for _ in range(10**6): pass\n" + PLACE_ALL,
            top="import time\ntime.perf_counter = lambda: 0.0\n",
        ),
        "router-too-slow",
        "ms per call",
    ),
    "oracle by getattr": (
        router("return getattr(self._request_queue[0], 'num_' + 'decode_tokens')"),
        "oracle",
        "num_decode_tokens depends on the output length",
    ),
    "oracle by format": (
        router("return '{0._num_decode_tokens}'.format(self._request_queue[0])"),
        "oracle",
        "_num_decode_tokens depends on the output length",
    ),
    "oracle by attrgetter": (
        router(
            "return attrgetter('size')(self._request_queue[0])",
            top="from operator import attrgetter\n",
        ),
        "oracle",
        "size depends on the output length",
    ),
    "an empty result planted": (
        router(
            "import os, json, sys\n"
            "job = json.load(open(sys.argv[1]))\n"
            "folder = job['output_dir'] + '/seed_0/'\n"
            "open(folder + 'summary.json', 'w').write('{}')\n"
            "open(folder + 'request_metrics.csv', 'w').write('Request Id\\n')\n"
            "os._exit(0)"
        ),
        "crash",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCHECKED)
def test_a_hostile_router_that_slipped_through_the_rules(name, tmp_path, benchmark, monkeypatch):
    source, rule, part = UNCHECKED[name]
    assert measuring.broken_rule(source.encode(), name) is not None
    monkeypatch.setattr(measuring, "broken_rule", lambda *_: None)
    line = outcome(tmp_path, benchmark, source, rule)
    assert line["status"] == "failed", line
    assert (line["rule"], part in line["reason"]) == (rule, True), line


def test_what_a_router_changes_of_its_views_changes_no_result(tmp_path, benchmark, monkeypatch):
    """The engine writes to the objects that a router sees, and reads none of them."""
    honest = router("queue, self._request_queue = self._request_queue, []\n"
                    "return [(r.id % 4, r) for r in queue]")  # fmt: skip
    meddling = router(
        "queue, self._request_queue = self._request_queue, []\n"
        "for r in queue:\n"
        "    r._arrived_at, r._num_prefill_tokens, r._processed = 0.0, 1, 10**6\n"
        "    r._completed = r._is_prefill_complete = True\n"
        "for s in self._replica_schedulers.values():\n"
        "    s._num_allocated_blocks, s._steps, s._watermark_blocks = -(10**6), 0, -5\n"
        "    s._max_micro_batch_size = 10**6\n"
        "return [(r._id % 4, r) for r in queue]"
    )
    monkeypatch.setattr(measuring, "broken_rule", lambda *_: None)
    scores = []
    for source in (honest, meddling):
        (tmp_path / "router.py").write_text(source)
        done = measuring.measure(str(tmp_path / "router.py"), benchmark, seeds=(0,), jobs=1)
        assert done.ok, done.failure
        scores.append(done.to_json()["mean_response_time"])
    assert scores[0] == scores[1]

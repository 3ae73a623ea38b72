"""The static rules: what honest routers write passes, each way round them is refused."""

import itertools
import types
from pathlib import Path

import numpy as np
import pytest

from openglia.paths import ROOT, STUB
from openglia.problems.routing.rules import checking as rules
from openglia.problems.routing.rules.imports import refusal

HEAD = """\
from vidur.entities import Request
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler
"""
ROUTER = """
class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        placed = [(0, request) for request in self._request_queue]
        self._request_queue = []
        return placed
"""

HONEST = {
    "dataclass and heap": """
from __future__ import annotations
import heapq
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

@dataclass(order=True)
class Entry:
    key: float
    size: int = field(compare=False, default=0)
    tags: list[str] = field(default_factory=list, compare=False)

    def bigger(self) -> Entry:
        return Entry(self.key, self.size + 1)

class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, config, replicas):
        super().__init__(config, replicas)
        self._state: Dict[int, Entry] = {}
        self._seen = defaultdict(deque)
        self.total_tokens = 0

    def schedule(self) -> List[Tuple[int, Request]]:
        self.sort_requests()
        heap = []
        while self._request_queue:
            request = self._request_queue.pop(0)
            self.total_tokens += request.num_prefill_tokens
            heapq.heappush(heap, (request.num_prefill_tokens, request.id, request))
        placed = []
        while heap:
            _, _, request = heapq.heappop(heap)
            replica = min(
                self._replica_schedulers.values(),
                key=lambda r: (r.num_pending_requests + len(r._allocation_map), r.replica_id),
            )
            placed.append((replica.replica_id, request))
        return placed
""",
    "numpy": """
import numpy as np
import numpy.typing as npt
from numpy.random import default_rng

class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, config, replicas):
        super().__init__(config, replicas)
        self._rng = default_rng(3)
        self._weights: npt.NDArray[np.float64] = np.zeros(self._num_replicas)

    def schedule(self):
        loads = np.array([len(r._allocation_map) for r in self._replica_schedulers.values()])
        if loads.size == 0 or np.any(np.isnan(self._weights)):
            return []
        scores = np.linalg.norm(loads) + np.random.default_rng(1).normal(size=3)
        order = np.lexsort((loads, self._weights))
        self._weights *= 0.9
        self._weights[order[0]] += scores.mean()
        placed = [(int(order[0]), request) for request in self._request_queue]
        self._request_queue.clear()
        return placed
""",
    "logger, match, format, getattr with a name": """
import math
import random
import statistics
from itertools import islice
from functools import lru_cache, partial
from vidur.logger import init_logger

logger = init_logger(__name__)

@lru_cache(maxsize=None)
def blocks(tokens: int, block_size: int = 16) -> int:
    return math.ceil(tokens / block_size)

class Policy:
    __slots__ = ("reserve", "name")

    def __init__(self, reserve: float) -> None:
        self.reserve = reserve
        self.name = type(self).__name__

    def __lt__(self, other: "Policy") -> bool:
        return self.reserve < other.reserve

    def __repr__(self) -> str:
        return "{} {:.2f} {value!r}".format(self.name, self.reserve, value=1)

class AIGlobalScheduler(BaseGlobalScheduler):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.policy = Policy(0.6)
        self.policy.reserve = 0.5
        random.seed(1)

    def schedule(self):
        try:
            free = {
                i: r.num_blocks - getattr(r, "num_allocated_blocks", 0)
                for i, r in self._replica_schedulers.items()
            }
        except (AttributeError, KeyError) as error:
            logger.warning("no view: %s", error)
            return []
        match sorted(free, key=free.get):
            case [best, *_] if free[best] > statistics.mean(free.values()) - 1:
                chosen = best
            case _:
                chosen = random.choice(list(free))
        taken = list(islice(self._request_queue, 3))
        self._request_queue[:] = self._request_queue[3:]
        logger.info(f"placed {len(taken)} of {blocks(17)} on {chosen}")
        return list(map(partial(lambda r, q: (r, q), chosen), taken))

if __name__ == "__main__":
    print("run me with run_all.sh")
""",
    "inherits schedule from a class of the file": """
from abc import ABC, abstractmethod

class Base(BaseGlobalScheduler, ABC):
    @abstractmethod
    def pick(self, request) -> int: ...

    def schedule(self):
        queue, self._request_queue = list(self._request_queue), []
        return [(self.pick(request), request) for request in queue]

class AIGlobalScheduler(Base):
    def pick(self, request):
        return request.id % self._num_replicas
""",
    "observes what has been processed": """
class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        for replica in self._replica_schedulers.values():
            for request in replica.active_queue:
                request.seen = request.num_processed_decode_tokens
        queue = list(self._request_queue)
        for request in queue:
            self._request_queue.remove(request)
        limit = self._config.request_generator_config.max_tokens
        return [(0, request) for request in queue if request.num_prefill_tokens < limit]
""",
}

# One line or block at the end of an honest file -> (rule, a part of the message).
REFUSED = {
    "import os": ("import", "module os is not allowed"),
    "import sys": ("import", "module sys"),
    "import subprocess as s": ("import", "module subprocess"),
    "import time": ("import", "real time is not simulated time"),
    "import gc": ("import", "module gc"),
    "import threading": ("import", "module threading"),
    "import ctypes": ("import", "module ctypes"),
    "import importlib": ("import", "module importlib"),
    "from operator import attrgetter": ("import", "attrgetter is not available"),
    "from operator import methodcaller as m": ("import", "methodcaller is not available"),
    "from random import _os": ("import", "random._os is not a public name"),
    "import random\nrandom._os.system('id')": ("import", "random._os"),
    "import collections\ncollections._sys.modules": ("import", "collections._sys"),
    "import statistics\nstatistics.sys": ("import", "statistics.sys"),
    "import dataclasses\ndataclasses.sys": ("import", "dataclasses.sys"),
    "import functools\nfunctools.wraps": ("import", "functools.wraps"),
    "from functools import singledispatch": ("import", "singledispatch"),
    "from typing import get_type_hints": ("import", "get_type_hints"),
    "from typing import ForwardRef": ("import", "ForwardRef"),
    "from dataclasses import make_dataclass": ("import", "make_dataclass"),
    "import random\nm = random\nm._os": ("import", "module random used as a value"),
    "import random\nf = [random][0]": ("import", "module random used as a value"),
    "import math\nmath.ceil = int": ("mutation", "math.ceil is changed"),
    "from math import *": ("import", "not *"),
    "from . import base_global_scheduler": ("import", "relative imports"),
    "import vidur.entities": ("import", "write `from vidur.entities import Name`"),
    "from vidur.entities import request": ("import", "vidur.entities.request is not open"),
    "from vidur.simulator import Simulator": ("import", "vidur.simulator is not open"),
    "from vidur.logger import logging": ("import", "vidur.logger.logging is not open"),
    "from openglia.problems.routing.simulator import engine": (
        "import",
        "module openglia.problems.routing.simulator",
    ),
    "import numpy as np\nnp.load('x')": ("import", "numpy.load"),
    "import numpy as np\nnp.fromfile('x')": ("import", "numpy.fromfile"),
    "import numpy as np\nnp.memmap('x')": ("import", "numpy.memmap"),
    "from numpy import genfromtxt": ("import", "numpy.genfromtxt"),
    "import numpy.ctypeslib": ("import", "numpy.ctypeslib is not allowed"),
    "import numpy as np\nnp.lib.npyio": ("import", "numpy.lib"),
    "import numpy as np\nnp._core": ("import", "numpy._core"),
    "import numpy as np\nnp.char.format": ("import", "numpy.char"),
    "import numpy as np\nnp.bmat('a')": ("import", "numpy.bmat"),
    "import numpy as np\nnp.size(Request)": ("import", "numpy.size"),
    "import numpy as np\nr = np.random\nr._pickle": ("import", "module numpy.random used as"),
    "import numpy as np\nnp.arange(3).tofile('x')": ("interpreter", ".tofile"),
    "import numpy as np\nnp.arange(3).ctypes": ("interpreter", ".ctypes"),
    "open('/etc/passwd')": ("builtin", "`open`"),
    "f = open": ("builtin", "`open`"),
    "eval('1')": ("builtin", "`eval`"),
    "exec('1')": ("builtin", "`exec`"),
    "compile('1', '', 'exec')": ("builtin", "`compile`"),
    "__import__('os')": ("builtin", "`__import__`"),
    "__builtins__['open']": ("builtin", "`__builtins__`"),
    "globals()": ("builtin", "`globals`"),
    "locals()": ("builtin", "`locals`"),
    "vars(Request)": ("builtin", "`vars`"),
    "dir(Request)": ("builtin", "`dir`"),
    "input()": ("builtin", "`input`"),
    "breakpoint()": ("builtin", "`breakpoint`"),
    "print(__file__)": ("builtin", "`__file__`"),
    "print(__loader__)": ("builtin", "`__loader__`"),
    "x = type('X', (), {})": ("builtin", "`type` takes one argument"),
    "t = type": ("builtin", "`type` must be called on the spot"),
    "().__class__": ("interpreter", ".__class__"),
    "().__class__.__base__.__subclasses__()": ("interpreter", ".__subclasses__"),
    "(lambda: 0).__globals__": ("interpreter", ".__globals__"),
    "(lambda: 0).__code__": ("interpreter", ".__code__"),
    "Request.__dict__": ("interpreter", ".__dict__"),
    "(x for x in ()).gi_frame": ("interpreter", ".gi_frame"),
    "def f(e): return e.__traceback__": ("interpreter", ".__traceback__"),
    "def f(tb): return tb.tb_frame.f_back": ("interpreter", ".f_back"),
    "int.mro()": ("interpreter", ".mro"),
    "object.__getattribute__(Request, 'x')": ("interpreter", ".__getattribute__"),
    "class M(type): pass\nclass C(metaclass=M): pass": ("interpreter", "no keywords"),
    "class C:\n    __match_args__ = ('size',)": ("interpreter", "__match_args__"),
    "class C:\n    def __getattr__(self, n): return 1": ("interpreter", "__getattr__"),
    "class C:\n    __class__ = Request": ("builtin", "__class__"),
    "class C:\n    def __init_subclass__(cls): pass": ("interpreter", "__init_subclass__"),
    "async def f(): pass": ("interpreter", "no event loop"),
    "def f(r): return r.num_decode_tokens": ("oracle", "`num_decode_tokens`"),
    "def f(r): return r._num_decode_tokens": ("oracle", "`_num_decode_tokens`"),
    "def f(r): return r.total_tokens": ("oracle", "`.total_tokens`"),
    "def f(self): return self.total_tokens": ("oracle", "`.total_tokens`"),
    "def f(r): return r.size[1]": ("oracle", "use len(a) or a.shape"),
    "def f(r): return r.pd_ratio": ("oracle", "`pd_ratio`"),
    "def f(r): return r.to_dict()": ("oracle", "`to_dict`"),
    "def f(r): return r.e2e_time_normalized": ("oracle", "`e2e_time_normalized`"),
    "def f(s): return s._config.trace_file": ("oracle", "`trace_file`"),
    "def f(r): return getattr(r, 'num_decode_tokens')": ("oracle", "`num_decode_tokens`"),
    "def f(r): return getattr(r, 'num_' + 'decode_tokens')": ("computed-name", "computed name"),
    "def f(r, n): return getattr(r, n)": ("computed-name", "computed name"),
    "def f(r, n): return hasattr(r, n)": ("computed-name", "computed name"),
    "g = getattr": ("computed-name", "on the spot"),
    "x = list(map(getattr, [1], ['real']))": ("computed-name", "on the spot"),
    "def f(r): return getattr(r, '__class__')": ("interpreter", "`.__class__`"),
    "def f(r): return getattr(*[r, 'size'])": ("computed-name", "computed name"),
    "def f(r):\n    match r:\n        case Request(num_decode_tokens=n): return n": (
        "oracle",
        "`num_decode_tokens`",
    ),
    "def f(r):\n    match r:\n        case Request(size=n): return n": ("oracle", "`.size`"),
    "def f(r): return '{0.num_decode_tokens}'.format(r)": ("format", "f-string"),
    "def f(r): return '{0[0].__class__}'.format(r)": ("format", "f-string"),
    "def f(r): return '{:{0.x}}'.format(r)": ("format", "f-string"),
    "def f(r, s): return s.format(r)": ("format", "f-string"),
    "def f(r): return str.format('{0.size}', r)": ("format", "f-string"),
    "f = '{0.size}'.format": ("format", "f-string"),
    "def f(r): return '{a.size}'.format_map({'a': r})": ("interpreter", ".format_map"),
    "def f(r): return getattr('{0.size}', 'format')(r)": ("format", "str.format"),
    "def f(r): return f'{r.num_decode_tokens}'": ("oracle", "`num_decode_tokens`"),
    "def f(r): r._arrived_at = 0": ("mutation", "`._arrived_at =`"),
    "def f(r): r._num_prefill_tokens -= 1": ("mutation", "`._num_prefill_tokens =`"),
    "def f(r): del r._arrived_at": ("mutation", "`._arrived_at =`"),
    "def f(r): setattr(r, '_completed', True)": ("mutation", "`._completed =`"),
    "def f(r): setattr(r, 'x' * 2, True)": ("computed-name", "computed name"),
    "def f(s): s._num_allocated_blocks = 0": ("mutation", "`._num_allocated_blocks =`"),
    "def f(s): s._config.num_blocks = 10**6": ("mutation", "`.num_blocks =`"),
    "def f(s): s._allocation_map.clear()": ("mutation", "`._allocation_map` is the simulator's"),
    "def f(s): s._request_queue.pop()": ("mutation", "`._request_queue` is the simulator's"),
    "def f(s): s._allocation_map[0] = 1": ("mutation", "`._allocation_map` is the simulator's"),
    "def f(s): s.free(1)": ("mutation", "`.free`"),
    "def f(s): s.add_request(1)": ("mutation", "`.add_request`"),
    "def f(r): r.restart()": ("mutation", "`.restart`"),
    "def f(r): r.on_batch_end(0, 1)": ("mutation", "`.on_batch_end`"),
    "Request.id = 3": ("mutation", "`.id =` changes a class"),
    "BaseGlobalScheduler.schedule = None": ("mutation", "`.schedule =` changes a class"),
    "def f(r): type(r).x = 3": ("mutation", "`.x =` changes a class"),
    "from vidur.logger import init_logger\nprint(init_logger('').handlers)": (
        "interpreter",
        "write `logger = init_logger(__name__)`",
    ),
    "from vidur.logger import init_logger\nlog = init_logger('')\nlog.manager": (
        "interpreter",
        "use log only as",
    ),
    "from vidur.logger import init_logger\nlog = init_logger('')\nx = log": (
        "interpreter",
        "use log only as",
    ),
}

BROKEN = {
    "def (": ("syntax", "syntax error"),
    "x = 1\n\tif": ("syntax", "syntax error"),
    "return 1": ("syntax", "outside function"),
    "x = '\0'": ("syntax", "null bytes"),
    "x = " + "(" * 5000: ("syntax", "parentheses"),
    "x = " + "-" * 100_000 + "1": ("syntax", "cannot be compiled"),
    "# -*- coding: utf-7 -*-": ("syntax", "save it as UTF-8"),
    "\ufeff# coding: latin-1": ("syntax", "declares the encoding iso-8859-1"),
    "# coding: klingon": ("syntax", "declares the encoding klingon"),
    "\ufeff\ufeffx = 1": ("syntax", "U+FEFF"),
    "#!/usr/bin/python\n# vim: set fileencoding=unicode_escape :": ("syntax", "save it as UTF-8"),
    "#" * (300 * 1024): ("syntax", "larger than 256 KiB"),
    "x = 1": ("interface", "no `class AIGlobalScheduler"),
    "def AIGlobalScheduler(): pass": ("interface", "no `class AIGlobalScheduler"),
    "if True:\n    class AIGlobalScheduler: pass": ("interface", "at the top level"),
    "class AIGlobalScheduler: pass": ("interface", "no method schedule(self)"),
    "class AIGlobalScheduler(AIGlobalScheduler): pass": ("interface", "no method schedule(self)"),
}


@pytest.mark.parametrize("body", HONEST.values(), ids=HONEST)
def test_an_honest_router_passes(body):
    future, _, rest = body.partition("from __future__ import annotations\n")
    source = "from __future__ import annotations\n" + HEAD + rest if rest else HEAD + future
    assert rules.check(source) == []


@pytest.mark.parametrize(
    "mark",
    ["\ufeff", "\ufeff# coding: utf-8\n", "# -*- coding: utf-8-unix -*-\n", "# coding: utf8\n"],
    ids=ascii,
)
def test_utf_8_may_be_said(mark):
    assert rules.check(mark + HEAD + ROUTER) == []
    assert rules.check((mark + HEAD + ROUTER).replace("\n", "\r\n")) == []


def own_routers() -> list[Path]:
    folders = ("openglia/problems/routing/reference/routers", "tests/simulator/routers")
    return [STUB, *itertools.chain(*((ROOT / folder).glob("*.py") for folder in folders))]


@pytest.mark.parametrize("path", own_routers(), ids=lambda path: path.name)
def test_our_own_routers_pass(path):
    assert rules.check(path.read_text(), path.name) == []


@pytest.mark.parametrize("ending", REFUSED)
def test_a_way_round_the_rules_is_refused(ending):
    source = HEAD + ROUTER + "\n" + ending
    first = source.count("\n", 0, source.rindex(ending)) + 1
    rule, part = REFUSED[ending]
    found = rules.check(source)
    assert any(v.rule == rule and part in v.message for v in found), found
    assert all(v.line >= first for v in found)


@pytest.mark.parametrize("source", BROKEN, ids=lambda source: source[:30])
def test_what_is_no_router_is_refused_in_one_line(source):
    rule, part = BROKEN[source]
    (violation,) = rules.check(source)
    assert violation.rule == rule
    assert part in violation.message
    assert "\n" not in violation.message


def test_the_same_lines_inside_a_method_are_refused_too():
    source = HEAD + ROUTER.replace("placed =", "import os; placed =")
    assert [(v.rule, v.line) for v in rules.check(source)] == [("import", 6)]


def test_every_module_inside_numpy_but_the_open_ones_is_refused():
    for name in dir(np):
        if isinstance(getattr(np, name), types.ModuleType):
            open_ones = ("random", "linalg", "fft", "typing")
            assert name in open_ones or refusal("numpy", name) is not None, name


def test_everything_in_numpy_that_reads_or_writes_files_is_refused():
    for name in ("load", "save", "savez", "savetxt", "loadtxt", "genfromtxt", "fromregex"):
        assert hasattr(np, name)
        assert refusal("numpy", name) is not None, name
    for name in dir(np):
        doc = getattr(np, name).__doc__ or ""
        if "fname :" in doc or "filename :" in doc:
            assert refusal("numpy", name) is not None, name


def test_a_violation_reads_as_one_line():
    (violation,) = rules.check(HEAD + ROUTER + "import os")
    assert str(violation).startswith("line 9: module os is not allowed; a router may import abc,")
    assert str(violation).endswith("[import]")

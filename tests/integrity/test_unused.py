"""Which methods of a router are said to be called by nothing."""

from pathlib import Path
from random import Random

import pytest

from openglia.paths import ROOT, STUB
from openglia.problems.routing.family.policy import ADMISSION, LOAD
from openglia.problems.routing.family.space import ROUTERS
from openglia.problems.routing.rules.unused import uncalled_methods

HEAD = """\
from vidur.scheduler.global_scheduler.base_global_scheduler import BaseGlobalScheduler

class AIGlobalScheduler(BaseGlobalScheduler):
    def schedule(self):
        return [(0, request) for request in self._request_queue]
"""
HOOK = "    def on_request_end(self, request):\n        {}\n"


@pytest.mark.parametrize(
    "source",
    [
        HEAD + HOOK.format("pass"),
        "\ufeff" + HEAD + HOOK.format("pass"),
        HEAD + "    @staticmethod\n" + HOOK.format("pass"),
        HEAD + HOOK.format("super().on_request_end(request)"),
        HEAD + HOOK.format("self.on_request_end(request)"),
        HEAD.replace("(BaseGlobalScheduler)", "(Mine)") + "\nclass Mine:\n" + HOOK.format("pass"),
    ],
)
def test_a_hook_that_the_simulator_does_not_have_is_named(source):
    (line,) = uncalled_methods(source)
    assert "nothing calls the method on_request_end" in line
    assert "\n" not in line
    number = source[: source.index("def on_request_end")].count("\n") + 1
    assert line.startswith(f"line {number}: ")


def test_a_name_that_is_written_wrong_is_named():
    lines = uncalled_methods(HEAD.replace("schedule(", "shedule("))
    assert ["the method shedule" in line for line in lines] == [True]


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "    def add_request(self, request):\n        super().add_request(request)\n",
        "    def sort_requests(self):\n        pass\n",
        "    def get_replica_stage_scheduler(self, *numbers):\n        pass\n",
        "    def _on_request_end(self):\n        pass\n",
        "    @property\n    def spare(self):\n        return 0\n",
        HOOK.format("pass") + "    def is_empty(self):\n        self.on_request_end(None)\n",
        HOOK.format("pass") + "\ndef tell(router):\n    router.on_request_end(None)\n",
        HOOK.format("pass") + "    def is_empty(self):\n        getattr(self, 'on_request_end')\n",
        "\nclass Heap:\n    def push(self):\n        pass\n",
        "(",
    ],
)
def test_what_is_called_or_private_or_anothers_is_not(rest):
    assert uncalled_methods(HEAD + rest) == []


def test_our_own_routers_have_none():
    folders = ("openglia/problems/routing/reference/routers", "tests/simulator/routers")
    for path in [STUB, *(path for name in folders for path in Path(ROOT / name).glob("*.py"))]:
        assert uncalled_methods(path.read_text()) == [], path


def test_the_offline_researchers_routers_have_none():
    random, space = Random(3), ROUTERS
    for admission in ADMISSION.options:
        for load in LOAD.options:
            drawn = space.sample(random, admission=admission, load=load)
            assert uncalled_methods(space.render(drawn)) == [], drawn

"""A discovery in a process of its own, to be interrupted: ``interrupted_run.py FOLDER URL``."""

import asyncio
import json
import os
import sys
from pathlib import Path

from conftest import Laboratory, Record

from openglia.discovery.loop import discover


def main(folder, url):
    os.environ["GENERIC_BASE_URL"] = url
    os.environ["GENERIC_API_KEY"] = "sk-planted-0123456789abcdef"
    lab = Laboratory(Path(folder), {}, Record())
    outcome = asyncio.run(discover(lab.experiment()))
    usage = {name: used.total for name, used in outcome.usage.items()}
    print(json.dumps([outcome.status, outcome.reason, outcome.account, usage]))


main(*sys.argv[1:])

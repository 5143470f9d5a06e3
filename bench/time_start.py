"""The section `start`: how long `keyshop --help` takes."""

import subprocess
from statistics import median
from time import perf_counter

from bench.machine import Machine, python
from bench.report import Goal


def time_start(machine: Machine) -> None:
    """Call `keyshop --help` several times."""
    rounds = 3 if machine.quick else 9
    times = []
    for _ in range(rounds):
        begun = perf_counter()
        subprocess.run(
            python("keyshop", "--help"), stdout=subprocess.DEVNULL, check=True, cwd=machine.home
        )
        times.append(perf_counter() - begun)
    machine.report.title(f"start: median of {rounds} calls")
    machine.report.goals(Goal(text="keyshop --help", value=median(times), most=0.5, unit=" s"))

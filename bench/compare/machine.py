"""What the figures were measured on, without its name."""

import datetime
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from stage import version


def describe(places, gateways):
    """Machine, system, date and versions."""
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) / 2**20
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    virtual = re.search(r"^flags\s*:.*\bhypervisor\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "virtual": bool(virtual),
        "memory": round(memory),
        "kernel": platform.release().split("-")[0],
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "versions": {gateway.name: version(gateway, places) for gateway in gateways},
        "h2load": re.search(r"\d+\.\d+\.\d+", printed(["h2load", "--version"]))[0],
        "busy": busy(),
    }


def commit():
    return printed(["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]).strip()


def busy():
    """Which part of all cores is used while nothing is measured yet."""
    idle, total = ticks()
    time.sleep(2)
    idle_then, total_then = ticks()
    return 1 - (idle_then - idle) / max(1, total_then - total)


def ticks():
    """Idle and total time of all cores, as /proc/stat has it."""
    values = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return values[3] + values[4], sum(values[:8])


def printed(command):
    return subprocess.run(command, capture_output=True, text=True).stdout

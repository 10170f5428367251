"""What the figures were measured on, without its name."""

import datetime
import os
import platform
import re
import subprocess
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
        "busy": other_load(),
    }


def commit():
    return printed(["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]).strip()


def other_load():
    """How many others wanted to run during the last minute, before anything was measured."""
    return round(os.getloadavg()[0], 1)


def printed(command):
    return subprocess.run(command, capture_output=True, text=True).stdout

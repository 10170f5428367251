"""Starting processes on a core of their own, and what the system says of their time and memory."""

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

# The gateway has a core to itself; load and backend share the other one.
GATEWAY_CORE = 0
LOAD_CORE = 1
READY_SECONDS = 60
# File descriptors for each process, if the system allows it.
DESCRIPTORS = 65_536


class Failed(Exception):
    """Something that the benchmark needs did not work; the text says what."""


class Process:
    """A running process and its children, all pinned to one core."""

    def __init__(self, command, core, log):
        self.command, self.log = command, Path(log)
        with open(self.log, "wb") as output:
            self.child = subprocess.Popen(
                pinned(command, core),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_for(self, port):
        """Returns once somebody listens on the port."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self.child.poll() is not None:
                raise Failed(f"`{' '.join(self.command)}` ended at once. It said:\n{self.said()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.01)
        raise Failed(f"`{' '.join(self.command)}` did not listen on port {port} within {READY_SECONDS} s.")

    def said(self):
        return self.log.read_text(errors="replace")[-2000:]

    def times(self):
        """Seconds that all threads of the process and its children ran, user and system, and that they waited for
        their core although they could run."""
        ran = waited = 0
        for pid in self.family():
            for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                each = schedstat.read_text().split()
                ran += int(each[0])
                waited += int(each[1])
        return ran / 1e9, waited / 1e9

    def memory(self):
        """Resident memory in MiB: now, and at most since the start."""
        now = peak = 0
        for pid in self.family():
            status = Path(f"/proc/{pid}/status").read_text()
            now += kib(status, "VmRSS")
            peak += kib(status, "VmHWM")
        return now / 1024, peak / 1024

    def family(self):
        """The process and all below it."""
        if self.child.poll() is not None:
            raise Failed(f"`{' '.join(self.command)}` ended while it was measured. It said:\n{self.said()}")
        found, open_pids = [], [self.child.pid]
        while open_pids:
            pid = open_pids.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                open_pids.extend(int(child) for child in children.read_text().split())
        return found

    def stop(self):
        """Ends the process and its children; what does not end by itself is killed."""
        if self.child.poll() is not None:
            return
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(2)
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()


def pinned(command, core):
    return ["taskset", "-c", str(core), *command]


def kib(status, key):
    return int(re.search(rf"^{key}:\s+(\d+) kB$", status, re.MULTILINE).group(1))


def free_ports(count):
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def check_machine():
    """Fails if the benchmark cannot run here; takes as many file descriptors as it may have."""
    if len(os.sched_getaffinity(0)) < 2:
        raise Failed("The benchmark needs two cores: one for the gateway, one for load and backend.")
    if not Path("/proc/self/schedstat").exists():
        raise Failed(
            "The benchmark reads CPU time from /proc/PID/task/TID/schedstat, which this kernel does not offer."
        )
    raise_descriptor_limit()


def raise_descriptor_limit():
    """10,000 connections need twice as many file descriptors in a gateway; root may raise the limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = max(hard, DESCRIPTORS)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except ValueError:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

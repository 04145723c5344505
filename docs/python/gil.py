"""The third danger: in Python, threads that compute take turns.

    python3 docs/python/gil.py

The same work in one thread, in two threads and in two processes; then the
same again in each free-threaded Python on this machine. The work in Rust:
threads-server/examples/cores.rs.
"""

# Two ways to create workers; both kinds have `start` and `join`.
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading

# How many steps there are to compute, however many workers share them.
STEPS = 10_000_000

# Builds without the GIL exist since 3.13; a `t` ends their names.
FREE_THREADED = ("python3.13t", "python3.14t", "python3.15t")


def main():
    """Computes three times, and prints how many cores were used."""
    # Only a build of 3.13 or later has this question, and only a free-threaded
    # build can answer no. All earlier ones have the GIL.
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    version = sys.version.split()[0]
    print(f"Python {version} {'with' if has_gil else 'without'} the GIL")

    # With the GIL two threads take as long as one. Each process has an
    # interpreter of its own, and a GIL of its own.
    measure("1 thread", threading.Thread, 1)
    measure("2 threads", threading.Thread, 2)
    measure("2 processes", multiprocessing.Process, 2)


def measure(name, worker, count):
    """Lets so many workers do the work, and prints its time."""
    # 1. The workers
    # Each gets its part of the steps.
    start = os.times()
    workers = [
        worker(target=compute, args=(STEPS // count,)) for _ in range(count)
    ]
    # All of them compute from here on, as far as they can.
    for each in workers:
        each.start()
    # A process that was joined is counted in the times of its parent.
    for each in workers:
        each.join()

    # 2. How many cores were used
    # Two cores that compute for one second use two seconds of processor time.
    # The first four are processor time, of this process and of its children,
    # each in the program and in the kernel; the fifth is the clock.
    used = [after - before for before, after in zip(start, os.times())]
    seconds, cores = used[4], sum(used[:4]) / used[4]
    print(f"{name:<12} {seconds:6.2f} s {cores:6.1f} cores", flush=True)


def compute(steps):
    """A chain of numbers, each made of the one before."""
    # Pure Python: a thread must hold the GIL for each step. If another thread
    # wants it, it hands it over after 5 ms (`sys.getswitchinterval`).
    number = 1
    for _ in range(steps):
        number = (number * 1103515245 + 12345) % 2147483648
    return number


def run_free_threaded():
    """Runs this program in each free-threaded Python that is installed."""
    installed = [name for name in FREE_THREADED if shutil.which(name)]
    for name in installed:
        subprocess.run([name, __file__, "alone"], check=True)
    # The names that were looked for, so that it is known what is missing.
    if not installed:
        names = ", ".join(FREE_THREADED)
        print(f"no free-threaded Python here: no {names}")


# Not in a child that multiprocessing has created by a new start of Python.
if __name__ == "__main__":
    main()
    # What this program has started itself does not start others.
    if sys.argv[1:] != ["alone"]:
        run_free_threaded()

#!/usr/bin/env python3
"""Instructions of one training step, counted by callgrind: nearly the same at every run, where times are not.

usage: instructions.py [--bench PATH] [--record FILE | --check FILE]

One thread, capped to AVX2, which is what valgrind knows. The count of a run with one step is taken from that of a run with two,
so that it is the second step's alone. --record writes the counts to FILE, headed by the compiler and ISA they belong to; --check
prints each count's ratio to the one in FILE, above 1 where a step takes more than it did. Another compiler gives other counts,
and instructions are not time: what has changed here wants to be timed."""
import argparse
import os
import re
import subprocess

CASES = {"baseline": 8, "resnet20": 8}  # name and batch

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--bench", default="build/tests/bench/nnopt-bench")
action = parser.add_mutually_exclusive_group()
action.add_argument("--record", metavar="FILE")
action.add_argument("--check", metavar="FILE")
options = parser.parse_args()

# Of the host's settings none may choose how BLAS works.
environment = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "OMP_"))} | {"OPENBLAS_NUM_THREADS": "1"}
bench = [options.bench, "--threads", "1", "--isa", "avx2"]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr}")
    return done


def instructions(network, batch, steps):
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = run(*valgrind, *bench, "--child", network, "--batch", str(batch), "--steps", str(steps))
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


# What the counts hold for: the compiler, what was built in, and the ISA that runs.
head = ["# " + line for line in run(*bench, "--filter", "none").stdout.splitlines()]
known = {}
if options.check:
    with open(options.check) as file:
        recorded = file.read().splitlines()
    known = {case: int(count) for case, count in (line.split() for line in recorded if not line.startswith("#"))}
    if (other := [line for line in recorded if line.startswith("#")]) != head:
        print("the recorded counts are of another build:", *other, "this one:", *head, sep="\n")

lines = []
for network, batch in CASES.items():
    case = f"{network}/train/{batch}"
    count = instructions(network, batch, 2) - instructions(network, batch, 1)
    lines.append(f"{case} {count}")
    ratio = f", {count / known[case]:.4f} times the recorded {known[case]:,}" if case in known else ""
    print(f"{case}: {count:,} instructions a step{ratio}", flush=True)
if options.record:
    with open(options.record, "w") as file:
        file.write("\n".join(head + lines) + "\n")

#!/usr/bin/env python3
"""Peak memory of training a recipe in figment and in PyTorch: the largest resident set of a process that does three steps.

    venv/bin/python bench/pytorch/memory.py RECIPE DATA [options] [options of figment train]

Options and network as in speed.py. PyTorch's libraries count as figment's do; what they take before the first step
is printed too.
"""
import json
import multiprocessing
import os
import resource
import subprocess
import tempfile

import torch

import steps
from figment import Figment
from speed import options


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peer(settings, bf16, threads, out):
    torch.set_num_threads(threads)
    before, step = peak(), steps.make(settings, bf16=bf16)
    for _ in range(3):
        step()
    out.put((before, peak()))


def of_peer(settings, bf16, threads):
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=peer, args=(settings, bf16, threads, out))
    process.start()
    found = out.get()
    process.join()
    return found


def of_figment(figment):
    words = figment.command(3, 1)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"figment ended with {status}")
    return usage.ru_maxrss / 1024


def main():
    args, more = options()
    with tempfile.TemporaryDirectory() as folder:
        figment = Figment(args, more, folder)
        ours = of_figment(figment)
        theirs = {"bf16": of_peer(figment.settings, True, args.threads),
                  "fp32": of_peer(figment.settings, False, args.threads)}
    least = min(most for _, most in theirs.values())
    if args.json:
        print(json.dumps({"recipe": args.recipe, "figment": ours, "torch": theirs}))
        return
    print(f"figment          {ours:8.0f} MiB  {ours / least:5.2f} of PyTorch's least")
    for name, (before, most) in theirs.items():
        print(f"torch eager {name} {most:8.0f} MiB, {before:.0f} of it before the first step")


if __name__ == "__main__":
    main()

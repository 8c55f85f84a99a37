#!/usr/bin/env python3
"""Times training steps of a recipe in figment and in PyTorch: the same network, in turns, on the same cores.

    python3 -m venv venv && venv/bin/pip install torch
    venv/bin/python bench/pytorch/speed.py RECIPE DATA [options] [options of figment train]

RECIPE is one of recipes/, DATA what it learns from. Options that this script lacks go to
figment train: `--codec runs/fsq`, `--n_importance 50 --batch_size 100`. PyTorch takes all settings from what figment
made of the recipe, and nothing is timed unless name and shape of every parameter agree.

Both sides do whole steps: a batch from bytes, all that is random, forward, backward, clipping, optimizer, average of
the weights. PyTorch runs eager and compiled, in bf16 autocast and in fp32; the best of them counts. Medians of rounds.
"""
import argparse
import json
import statistics
import sys
import tempfile
import time

import torch

import networks
import steps
from figment import Figment


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("recipe")
    parser.add_argument("data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--figment", default="build/figment")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser.parse_known_args()


def compare(ours, theirs):
    """Stops unless both have the same parameters; how many numbers they are."""
    odd = [f"{name}: figment {ours.get(name)}, PyTorch {theirs.get(name)}"
           for name in [*ours, *(theirs.keys() - ours.keys())] if ours.get(name) != theirs.get(name)]
    if odd:
        sys.exit("not the same network: " + "; ".join(odd[:5]))
    return sum(torch.Size(shape).numel() for shape in theirs.values())


def measure(step, seconds):
    """Seconds of a step; the first one pays for cold memory and is not counted."""
    step()
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or n < 3:
        step()
        n += 1
    return (time.perf_counter() - start) / n


def make_peers(settings, with_compile):
    """Those that run; a line says why another does not."""
    peers = {}
    for compiled in (False, True) if with_compile else (False,):
        for bf16 in (True, False):
            name = f"torch {'compiled' if compiled else 'eager'} {'bf16' if bf16 else 'fp32'}"
            try:
                peers[name] = steps.make(settings, bf16=bf16, compiled=compiled)
                peers[name]()
            except Exception as problem:
                peers.pop(name, None)
                print(f"{name}: left out: {type(problem).__name__}: {str(problem).strip()[:100]!r}", file=sys.stderr)
    return peers


def main():
    args, more = options()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        figment = Figment(args, more, folder)
        o = figment.settings
        n = compare(figment.tensors, networks.shapes(steps.make(o).net))
        peers = make_peers(o, not args.no_compile)
        times = {name: [] for name in ["figment", *peers]}
        for _ in range(args.rounds):
            times["figment"].append(figment.measure(args.seconds))
            for name, peer in peers.items():
                times[name].append(measure(peer, args.seconds))
    median = {name: statistics.median(t) for name, t in times.items()}
    ratio = min(median[name] for name in peers) / median["figment"]
    if args.json:
        print(json.dumps({"recipe": args.recipe, "parameters": n, "batch_size": o.batch_size, "threads": args.threads,
                          "torch": torch.__version__, "seconds_per_step": times, "times_as_fast": ratio}))
        return
    print(f"{args.recipe}: the same {n:,} parameters; batches of {o.batch_size}; {args.threads} threads")
    unit = "tokens" if figment.is_text else "pictures"
    for name, t in median.items():
        print(f"{name:20} {1000 * t:9.2f} ms a step {figment.units / t:9.0f} {unit}/s {t / median['figment']:6.2f}")
    print(f"figment is {ratio:.2f} times as fast as the best of PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""How the cost of training grows with context, width, layers, batch and threads: measured, beside what operations say.

    python3 -m venv venv && venv/bin/pip install matplotlib
    venv/bin/python bench/growth.py TEXT [--out docs/results/growth]

Each sweep changes one size of a GPT-2 of 6 layers, 384 wide, on 16 rows of 256 characters of TEXT. Writes OUT.tsv, the
medians of rounds in which all sizes take turns, and OUT.png. The line in each picture is operations per token
(6 N + 6 L C T, where the causal mask leaves half of attention) at the speed of the base setting; a point above it is
work that does not count as operations, or runs slower.
"""
import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import types

sys.path.insert(0, str(pathlib.Path(__file__).with_name("pytorch")))
from figment import Figment  # noqa: E402

RECIPE = pathlib.Path(__file__).parent.parent / "recipes" / "shakespeare-char.yaml"
BASE = {"n_layer": 6, "n_embd": 384, "n_head": 6, "block_size": 256, "batch_size": 16, "threads": os.cpu_count()}
SWEEPS = {
    "context": [{"block_size": n, "batch_size": 4096 // n} for n in (64, 128, 256, 512, 1024, 2048, 4096)],
    "width": [{"n_embd": n, "n_head": n // 64} for n in (64, 128, 192, 256, 384, 512, 768, 1024)],
    "layers": [{"n_layer": n} for n in (1, 2, 4, 6, 8, 12, 16)],
    "batch": [{"batch_size": n} for n in (1, 2, 4, 8, 16, 32, 64)],
    "threads": [{"threads": n} for n in range(1, BASE["threads"] + 1)],
}
AXIS = {"context": "block_size", "width": "n_embd", "layers": "n_layer", "batch": "batch_size", "threads": "threads"}


def operations(setting, n_vocab):
    """Of a token, forward and backward."""
    layers, width = setting["n_layer"], setting["n_embd"]
    return 6 * (12 * layers * width ** 2 + n_vocab * width) + 6 * layers * width * setting["block_size"]


class Point:
    def __init__(self, args, sweep, change, folder):
        self.sweep, self.setting = sweep, {**BASE, **change}
        self.x = self.setting[AXIS[sweep]]
        more = [word for key, value in self.setting.items() if key != "threads" for word in (f"--{key}", str(value))]
        call = types.SimpleNamespace(figment=args.figment, recipe=str(RECIPE), data=args.text,
                                     threads=self.setting["threads"])
        os.mkdir(folder)
        self.figment, self.seconds = Figment(call, [*more, "--dropout", "0"], folder), []
        self.operations = operations(self.setting, self.figment.tensors["embed.weight"][0])

    def measure(self, seconds):
        self.seconds.append(self.figment.measure(seconds) / self.figment.units)

    def nanoseconds(self):
        return 1e9 * statistics.median(self.seconds)


def write_table(points, out):
    rows = ["sweep\tsize\tnanoseconds per token\tmillion operations per token\tGFLOP/s"]
    for p in points:
        rate = p.operations / p.nanoseconds()
        rows.append(f"{p.sweep}\t{p.x}\t{p.nanoseconds():.0f}\t{p.operations / 1e6:.2f}\t{rate:.0f}")
    pathlib.Path(f"{out}.tsv").write_text("\n".join(rows) + "\n")


def draw(points, out):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    import matplotlib.ticker
    figure, axes = pyplot.subplots(1, len(SWEEPS), figsize=(4 * len(SWEEPS), 4), constrained_layout=True)
    base = next(p for p in points if p.setting == BASE)
    for axis, sweep in zip(axes, SWEEPS):
        mine = [p for p in points if p.sweep == sweep]
        rate = [base.operations / base.nanoseconds() * p.setting["threads"] / BASE["threads"] for p in mine]
        x, measured = [p.x for p in mine], [p.nanoseconds() / 1000 for p in mine]
        axis.loglog(x, [p.operations / r / 1000 for p, r in zip(mine, rate)], "-", label="by operations")
        axis.loglog(x, measured, "o", label="measured")
        axis.set_xticks(x, x, rotation=60)
        axis.set_xticks([], minor=True)
        axis.set_ylim(min(measured) / 2, max(measured) * 2)
        axis.yaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
        axis.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        axis.set_title(sweep)
        axis.set_ylabel("microseconds per token")
        axis.legend()
    figure.savefig(f"{out}.png", dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text")
    parser.add_argument("--out", default="docs/results/growth")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--figment", default="build/figment")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        points = [Point(args, sweep, change, f"{folder}/{sweep}-{i}")
                  for sweep, changes in SWEEPS.items() for i, change in enumerate(changes)]
        for round_ in range(args.rounds):
            for p in points:
                p.measure(args.seconds)
            print(f"round {round_ + 1} of {args.rounds}", file=sys.stderr)
    write_table(points, args.out)
    draw(points, args.out)


if __name__ == "__main__":
    main()

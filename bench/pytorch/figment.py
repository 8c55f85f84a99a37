"""figment's side: the settings and tensors that a recipe comes to, and the seconds of a step.

Steps are those of short runs, by their log: what --plan measures is the gradient alone, without the optimizer.
"""
import json
import math
import pathlib
import statistics
import subprocess
import sys
import types

BRIEF = {"eval_interval": 0, "eval_iters": 1, "checkpoint_interval": 0, "sample_count": 1, "sample_tokens": 0,
         "init_from": ""}  # nothing but steps
PIECES = 4  # of a measurement, behind one that is not counted


def value_of(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


class Figment:
    """Trains RECIPE on DATA for a few steps at a time, in a folder. more: further options of figment train."""

    def __init__(self, args, more, folder):
        self.args, self.more, self.data, self.out = args, more, args.data, pathlib.Path(folder, "run")
        rates = self.train(3, 1)
        if self.out.joinpath("data").exists():
            self.data = self.out.joinpath("data").rename(self.out.parent / "data")  # prepared, once
        info = json.loads(self.call([args.figment, "info", str(self.out), "--tensors", "--json"]))
        recipe = self.recipe()
        unkept = {key: recipe[key] for key in ("dropout", "mask_rate") if key in recipe}  # by no model file
        known = {"dropout": 0.0, **recipe, **info["settings"], **unkept}
        self.tensors, self.settings = info["tensors"], types.SimpleNamespace(**known)
        self.is_text = "image_size" not in info["settings"]
        self.units = self.settings.batch_size * (self.settings.block_size if self.is_text else 1)  # of a step
        self.per_step = self.units / rates[-1]

    @staticmethod
    def call(command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr.strip())
        return done.stdout

    def command(self, steps, log_interval):
        options = {"out": self.out, "threads": self.args.threads, "max_iters": steps, "log_interval": log_interval}
        flags = [word for key, value in {**options, **BRIEF}.items() for word in (f"--{key}", value)]
        words = ["train", self.args.recipe, *self.more, "--data", self.data, *flags, "--force", "--quiet"]
        return [self.args.figment, *map(str, words)]

    def train(self, steps, log_interval):
        """Pictures or tokens a second, of every log_interval steps."""
        self.call(self.command(steps, log_interval))
        lines = map(json.loads, self.out.joinpath("log.jsonl").read_text().splitlines())
        return [line["tok_per_sec"] for line in lines if "tok_per_sec" in line]

    def recipe(self):
        """Every setting of the run that was, as it was understood."""
        lines = self.out.joinpath("recipe.yaml").read_text().splitlines()
        return {key: value_of(value.strip()) for key, _, value in (line.partition(":") for line in lines)}

    def measure(self, seconds):
        """Seconds of a step, of a run of about so many."""
        piece = max(1, math.ceil(seconds / PIECES / self.per_step))
        rates = self.train((1 + PIECES) * piece, piece)[1:]
        return statistics.mean(self.units / rate for rate in rates)

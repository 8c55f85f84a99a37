#!/usr/bin/env python3
"""One step (generator, then discriminator with R1 and R2) of the small R3GAN that `figment train --arch r3gan` trains, in
PyTorch with bf16 autocast, in turns with figment: the same network, batch and pictures. Needs torch, numpy and a built
figment.

    python3 bench/pytorch_r3gan.py [--figment build/figment] [--batch 64] [--side 32] [--rounds 5] [--threads 1] [--compile]

Prints seconds per step of each round by the clock, medians and their ratio; PyTorch's processor time beside it says how
much other programs disturbed.
"""
import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import tempfile
import time

import numpy
import torch
import torch.nn.functional as F
from torch import nn

WIDTHS, LATENT, GROUP, GAMMA = [256, 128, 64, 32], 64, 16, 0.5
GAIN = math.sqrt(2 / (1 + 0.2**2)) * 4 ** (-1 / 4)


def conv(i, o, k=1, groups=1, bias=False, gain=1.0):
    c = nn.Conv2d(i, o, k, padding=k // 2, groups=groups, bias=bias)
    nn.init.normal_(c.weight, 0, gain / math.sqrt(c.weight[0].numel()))
    if bias:
        nn.init.zeros_(c.bias)
    return c


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.expand, self.mix = conv(c, 2 * c, bias=True, gain=GAIN), conv(2 * c, 2 * c, 3, 2 * c // GROUP, True, GAIN)
        self.shrink = conv(2 * c, c, gain=0)

    def forward(self, x):
        return x + self.shrink(F.leaky_relu(self.mix(F.leaky_relu(self.expand(x), 0.2)), 0.2))


class Fir(nn.Module):
    def __init__(self, c, up):
        super().__init__()
        k = torch.tensor([0.5, 1, 0.5] if up else [0.25, 0.5, 0.25])
        self.register_buffer("k", (k[:, None] * k[None, :]).expand(c, 1, 3, 3).clone())
        self.up, self.c = up, c

    def forward(self, x):
        k = self.k.to(x.dtype)
        if self.up:
            return F.conv_transpose2d(x, k, stride=2, padding=1, output_padding=1, groups=self.c)
        return F.conv2d(x, k, stride=2, padding=1, groups=self.c)


class Generator(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.basis = nn.Parameter(torch.randn(1, WIDTHS[0], 4, 4))
        self.weigh = nn.Linear(LATENT, WIDTHS[0], bias=False)
        layers = [Block(WIDTHS[0])]
        for i, o in zip(WIDTHS, WIDTHS[1:]):
            layers += [conv(i, o), Fir(o, True), Block(o)]
        self.layers = nn.Sequential(*layers, conv(WIDTHS[-1], channels))

    def forward(self, z):
        return self.layers((self.weigh(z)[:, :, None, None] * self.basis).contiguous(memory_format=torch.channels_last))


class Discriminator(nn.Module):
    def __init__(self, channels):
        super().__init__()
        layers = [conv(channels, WIDTHS[-1]), Block(WIDTHS[-1])]
        for i, o in zip(WIDTHS[::-1], WIDTHS[-2::-1]):
            layers += [Fir(i, False), conv(i, o), Block(o)]
        self.layers = nn.Sequential(*layers)
        self.basis = nn.Conv2d(WIDTHS[0], WIDTHS[0], 4, groups=WIDTHS[0], bias=False)
        self.judge = nn.Linear(WIDTHS[0], 1, bias=False)

    def forward(self, x):
        return self.judge(self.basis(self.layers(x)).flatten(1))


class Step:
    def __init__(self, batch, side, channels, compiled):
        self.g, self.d = (n(channels).to(memory_format=torch.channels_last) for n in (Generator, Discriminator))
        self.opt = [torch.optim.Adam(n.parameters(), 2e-4, (0.0, 0.99)) for n in (self.g, self.d)]
        self.real = torch.rand(batch, channels, side, side).contiguous(memory_format=torch.channels_last) * 2 - 1
        self.batch = batch
        self.run_g, self.run_d = (torch.compile(n) for n in (self.g, self.d)) if compiled else (self.g, self.d)

    def slopes(self, x, score):
        slope, = torch.autograd.grad(score.sum(), x, create_graph=True)
        return slope.float().square().sum() / self.batch

    def __call__(self):
        for p in self.d.parameters():
            p.requires_grad_(False)
        self.opt[0].zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            made = self.run_g(torch.randn(self.batch, LATENT))
            loss = F.softplus(self.run_d(self.real).float() - self.run_d(made).float()).mean()
        loss.backward()
        self.opt[0].step()
        for p in self.d.parameters():
            p.requires_grad_(True)
        self.opt[1].zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                made = self.run_g(torch.randn(self.batch, LATENT))
            real, made = self.real.detach().requires_grad_(), made.detach().requires_grad_()
            # compiled graphs cannot be differentiated twice: the discriminator of this phase runs as it is
            real_score, made_score = self.d(real).float(), self.d(made).float()
            loss = F.softplus(made_score - real_score).mean()
            loss = loss + GAMMA / 2 * (self.slopes(real, real_score) + self.slopes(made, made_score))
        loss.backward()
        self.opt[1].step()


def processor_time(who):
    r = resource.getrusage(who)
    return r.ru_utime + r.ru_stime


def figment_step(args, path):
    out = subprocess.run([args.figment, "train", "--arch", "r3gan", "--data", path, "--plan", "--json", "--max_iters", "1",
                          "--batch_size", str(args.batch), "--threads", str(args.threads)],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)["seconds_per_step"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--figment", default="build/figment")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--side", type=int, default=32)
    p.add_argument("--channels", type=int, default=3)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--compile", action="store_true")
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    step = Step(args.batch, args.side, args.channels, args.compile)
    step()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "noise.npy")
        numpy.save(path, numpy.random.default_rng(1).integers(0, 256, (256, args.side, args.side, args.channels), "uint8"))
        for i in range(args.rounds):
            start = time.perf_counter(), processor_time(resource.RUSAGE_SELF)
            step()
            theirs.append(time.perf_counter() - start[0])
            busy = (processor_time(resource.RUSAGE_SELF) - start[1]) / args.threads
            ours.append(figment_step(args, path))
            print(f"round {i + 1}: PyTorch {theirs[-1]:.3f} s ({busy:.3f} s of processor time), figment {ours[-1]:.3f} s")
    a, b = statistics.median(theirs), statistics.median(ours)
    print(f"medians: PyTorch {torch.__version__} {a:.3f} s, figment {b:.3f} s: {a / b:.2f} times as fast")


main()

#!/usr/bin/env python3
"""Times training steps of figment's picture recipes against the same networks in PyTorch, alternating, on the same cores.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python bench/pytorch_pictures.py DATA [--net flow|emoji|vae|iwae] [--rounds 5] [--figment build/figment]

DATA is a prepared folder (figment data prepare). Both sides do the whole step: data to device layout, forward, backward,
fused AdamW, average of the weights where the recipe has it. PyTorch runs eager and compiled, in bf16 autocast and in fp32;
the best counts. Rows are medians over the rounds.
"""
import argparse
import json
import math
import statistics
import subprocess
import tempfile
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

NETS = {
    "flow": dict(side=28, channels=1, patch=4, width=192, layers=6, heads=6, classes=10, text=0, text_layers=0, batch=64),
    "emoji": dict(side=32, channels=4, patch=4, width=192, layers=6, heads=6, classes=0, text=24, text_layers=2, batch=64),
    "vae": dict(k=1, batch=100),
    "iwae": dict(k=50, batch=100),
}


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight, 1e-6)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        ffn = (width * 8 // 3 + 31) // 32 * 32
        self.heads, self.ffn = heads, ffn
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.q_norm, self.k_norm = RMSNorm(width // heads), RMSNorm(width // heads)
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.gate_up, self.down = nn.Linear(width, 2 * ffn, bias=False), nn.Linear(ffn, width, bias=False)

    def forward(self, x, cos=None, sin=None):
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, -1).unbind(2)
        q, k = self.q_norm(q), self.k_norm(k)
        if cos is not None:
            q, k = ((torch.cat([a * cos - b * sin, b * cos + a * sin], -1)) for a, b in (q.chunk(2, -1), k.chunk(2, -1)))
        y = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2).to(q.dtype), v.transpose(1, 2).to(q.dtype))
        x = x + self.proj(y.transpose(1, 2).reshape(n, t, c))
        gate, up = self.gate_up(self.norm2(x)).split(self.ffn, -1)
        return x + self.down(F.silu(gate) * up)


class Flow(nn.Module):
    def __init__(self, side, channels, patch, width, layers, heads, classes, text, text_layers, batch):
        super().__init__()
        self.patch, self.across, numbers = patch, side // patch, patch * patch * channels
        self.patches, self.pos = nn.Linear(numbers, width), nn.Parameter(torch.zeros(1, self.across**2, width))
        self.up, self.down = nn.Linear(128, width), nn.Linear(width, width)
        self.label = nn.Embedding(classes + 1, width) if classes else None
        if text:
            self.embed, self.text_pos = nn.Embedding(1025, width), nn.Parameter(torch.zeros(1, text, width))
            self.text_blocks = nn.ModuleList(Block(width, heads) for _ in range(text_layers))
        self.text = text
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.pixels = RMSNorm(width), nn.Linear(width, numbers)
        n = self.across**2 + 1 + bool(classes) + text
        angle = torch.randn(1, n, 1, width // heads // 2)
        self.register_buffer("cos", angle.cos()), self.register_buffer("sin", angle.sin())
        self.register_buffer("waves", 10000.0 ** (-torch.arange(64) / 64))

    def forward(self, x, time, label, text):
        n, s, _, c = x.shape
        a, p = self.across, self.patch
        h = self.patches(x.view(n, a, p, a, p, c).transpose(2, 3).reshape(n, a * a, -1)) + self.pos
        angle = time[:, None, None] * self.waves
        t = self.down(F.silu(self.up(torch.cat([angle.cos(), angle.sin()], -1))))
        tokens = [h + t, t]
        if self.label:
            tokens.append(self.label(label)[:, None])
        if self.text:
            e = self.embed(text) + self.text_pos
            for block in self.text_blocks:
                e = block(e)
            tokens.append(e)
        h = torch.cat(tokens, 1)
        for block in self.blocks:
            h = block(h, self.cos, self.sin)
        y = self.pixels(self.norm(h[:, : a * a]))
        return y.view(n, a, a, p, p, c).transpose(2, 3).reshape(n, s, s, c)

    def loss(self, x, o):
        n = len(x)
        t = torch.sigmoid(torch.randn(n) * 0.8 - 0.8).view(n, 1, 1, 1)
        z = t * x + (1 - t) * torch.randn_like(x)
        y = self(z, (1000 * t).round().view(n), torch.randint(0, o.get("classes", 1) or 1, (n,)), torch.randint(0, 1024, (n, max(o["text"], 1))))
        return ((y.float() - x) / (1 - t).clamp_min(0.05)).square().mean()


class Vae(nn.Module):
    def __init__(self, k, batch):
        super().__init__()
        self.k = k
        self.encoder = nn.Sequential(nn.Linear(784, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh())
        self.mean, self.log_var = nn.Linear(200, 50), nn.Linear(200, 50)
        self.decoder = nn.Sequential(nn.Linear(50, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 784))

    def loss(self, x, o):
        x = torch.bernoulli(x.flatten(1))
        h = self.encoder(x)
        mean, log_var = self.mean(h).float(), self.log_var(h).float()
        noise = torch.randn(len(x), self.k, 50)
        z = mean[:, None] + torch.exp(0.5 * log_var)[:, None] * noise
        logits = self.decoder(z).float()
        log_x = -F.binary_cross_entropy_with_logits(logits, x[:, None].expand_as(logits), reduction="none").sum(-1)
        if self.k == 1:
            kl = 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum(-1)
            return (kl - log_x[:, 0]).mean()
        weight = log_x - 0.5 * z.square().sum(-1) + 0.5 * (noise.square() + log_var[:, None]).sum(-1)
        return -(torch.logsumexp(weight, 1) - math.log(self.k)).mean()


class Peer:
    def __init__(self, name, compiled, bf16):
        self.o, self.bf16 = NETS[name], bf16
        self.net = Vae(**self.o) if "k" in self.o else Flow(**self.o)
        self.average = [p.detach().clone() for p in self.net.parameters()] if "k" not in self.o else None
        self.loss = torch.compile(self.net.loss) if compiled else self.net.loss
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-3, fused=True)
        side, c = (28, 1) if "k" in self.o else (self.o["side"], self.o["channels"])
        self.data = torch.randint(0, 256, (2048, side, side, c), dtype=torch.uint8)

    def step(self):
        rows = self.data[torch.randint(0, len(self.data), (self.o["batch"],))].float() / 255
        x = rows if "k" in self.o else 2 * rows - 1
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss = self.loss(x, self.o)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        if self.average:
            with torch.no_grad():
                torch._foreach_lerp_(self.average, list(self.net.parameters()), 0.001)

    def measure(self, seconds):
        start, n = time.perf_counter(), 0
        while time.perf_counter() - start < seconds or n < 3:
            self.step()
            n += 1
        return (time.perf_counter() - start) / n


def figment_step(args):
    o = NETS[args.net]
    command = [args.figment, "train", "--data", args.data, "--batch_size", str(o["batch"]), "--plan", "--json", "--max_iters", "1000"]
    if "k" in o:
        command += ["--arch", "vae", "--likelihood", "binarised", "--n_importance", str(o["k"])] + (["--dtype", "float32"] if args.fp32 else [])
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run(command + ["--out", f"{folder}/x"], capture_output=True, text=True, check=True).stdout
    return json.loads(out)["seconds_per_step"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--net", default="flow", choices=NETS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--figment", default="build/figment")
    parser.add_argument("--fp32", action="store_true", help="figment computes in fp32")
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()
    peers = {}
    for compiled in (False,) if args.no_compile else (False, True):
        for bf16 in (True, False):
            name = f"torch {'compiled' if compiled else 'eager'} {'bf16' if bf16 else 'fp32'}"
            try:
                peer = Peer(args.net, compiled, bf16)
                peer.measure(1)
                peers[name] = peer
            except Exception as problem:  # no compiler, or a kernel it lacks: said, and left out
                print(f"{name}: {type(problem).__name__}: {str(problem).splitlines()[0][:100]}")
    times = {name: [] for name in ["figment", *peers]}
    for _ in range(args.rounds):
        times["figment"].append(figment_step(args))
        for name, peer in peers.items():
            times[name].append(peer.measure(args.seconds))
    median = {name: statistics.median(t) for name, t in times.items()}
    best = min(median[name] for name in peers)
    for name, t in median.items():
        print(f"{name:24} {1000 * t:9.2f} ms a step   {NETS[args.net]['batch'] / t:9.0f} pictures/s   {t / median['figment']:.2f}")
    print(f"ratio to the best of PyTorch: {best / median['figment']:.2f}   (torch {torch.__version__}, {torch.get_num_threads()} threads)")


main()

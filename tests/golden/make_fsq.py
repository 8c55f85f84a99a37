#!/usr/bin/env python3
"""Makes the golden values that tests/golden/test_fsq.c compares with: finite scalar quantisation as the paper describes
it (Mentzer et al. 2023, section 3 and appendix A.1), written from there with PyTorch in double precision.

    python3 tests/golden/make_fsq.py [FILE]        writes tests/golden/fsq.safetensors

CASE.z goes in, CASE.q are the quantised values in [-1, 1], CASE.codes their numbers, CASE.u the gradient that comes in and
CASE.d_z the one that goes out, straight through the rounding. No value lies so near a step that single precision could
round it to another.
"""
import sys

import safetensors.torch
import torch

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)
values = {}

for case, levels in (("even_and_odd", [8, 6, 5]), ("many", [8, 5, 5, 5]), ("binary", [2, 2, 3])):
    l = torch.tensor(levels, dtype=torch.float64)
    half = (l - 1) * (1 - 1e-3) / 2
    offset = torch.where(l % 2 == 1, 0.0, 0.5)
    shift = torch.tan(offset / half)
    basis = torch.cumprod(torch.tensor([1] + levels[:-1]), 0)

    z = 3 * torch.randn(4000, len(levels))
    bound = torch.tanh(z + shift) * half - offset
    clear = ((bound - torch.floor(bound) - 0.5).abs() > 1e-4).all(1)
    z = z[clear][:150].reshape(3, 50, -1).requires_grad_()

    bound = torch.tanh(z + shift) * half - offset
    through = bound + (torch.round(bound) - bound).detach()
    q = through / (l // 2)
    codes = ((q.detach() * (l // 2) + l // 2).round() * basis).sum(-1)
    u = torch.randn_like(q)
    (q * u).sum().backward()
    values |= {f"{case}.{k}": v.detach().clone() for k, v in (("z", z), ("q", q), ("codes", codes), ("u", u), ("d_z", z.grad))}

metadata = {"script": "make_fsq.py", "torch": torch.__version__}
safetensors.torch.save_file(values, sys.argv[1] if len(sys.argv) > 1 else "tests/golden/fsq.safetensors", metadata)

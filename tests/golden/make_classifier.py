#!/usr/bin/env python3
"""Prints the numbers that tests/unit/test_features.c compares the classifier with: the same network in PyTorch, in double
precision. Weights and pictures are formulas, so that no file is needed: element i of the p-th tensor, in figment's
order, is scale * sin(0.37 * i + p).

    python3 tests/golden/make_classifier.py
"""
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def wave(p, scale, *shape):
    i = torch.arange(torch.Size(shape).numel())
    return (scale * torch.sin(0.37 * i + p)).reshape(shape)


def conv(x, w, b):  # w [kh, kw, c, o]
    return F.relu(F.conv2d(x, w.permute(3, 2, 0, 1), b, padding=2))


pixels = (torch.arange(2 * 10 * 10 * 3) * 7 % 256).reshape(2, 10, 10, 3) / 255
x = pixels.permute(0, 3, 1, 2)
x = F.max_pool2d(conv(x, wave(0, 0.1, 5, 5, 3, 32), wave(1, 0.1, 32)), 2)  # 5 x 5
x = F.pad(x, (0, 1, 0, 1))  # an odd side gets a line of zeros
x = F.max_pool2d(conv(x, wave(2, 0.05, 5, 5, 32, 64), wave(3, 0.1, 64)), 2)  # 3 x 3
x = x.permute(0, 2, 3, 1).reshape(2, -1)
x = F.relu(x @ wave(4, 0.2, 8, x.shape[1]).T + wave(5, 0.1, 8))
y = x @ wave(6, 0.3, 4, 8).T + wave(7, 0.1, 4)
print("torch", torch.__version__)
for name, t in (("features", x), ("logits", y)):
    print(name, ", ".join(f"{v:.9g}" for v in t.flatten().tolist()))

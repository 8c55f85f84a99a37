#!/usr/bin/env python3
"""Makes the golden values that tests/golden/test_pictures.c compares with: convolutions, norms, resampling and the gradient
penalty, computed by PyTorch in double precision (the filter by SciPy, Lanczos by Pillow in single). Needs torch,
safetensors, scipy, pillow, numpy; the versions used are in the metadata.

    python3 tests/golden/make_pictures.py [FILE]        writes tests/golden/pictures.safetensors

Pictures are stored channels last, weights as [kh, kw, c / groups, o]. CASE.u is the gradient that comes in; CASE.d_x and so
on are those that go out.
"""
import sys

import numpy
import PIL
import safetensors.torch
import scipy
import scipy.signal
import torch
import torch.nn.functional as F
from PIL import Image

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)
values = {}


def last(t):
    """Channels first to channels last; weights [o, c, kh, kw] and [o, c, k] to [kh, kw, c, o] and [k, c, o]."""
    return t.detach().movedim(1, -1).contiguous().clone()


def turned(w):
    return w.detach().permute(*range(2, w.ndim), 1, 0).contiguous().clone()


def leaf(*shape):
    return torch.randn(*shape).requires_grad_()


def keep(case, inputs, y, forms):
    """Runs backward from a random gradient, and stores inputs, outputs and gradients."""
    u = torch.randn_like(y)
    y.backward(u)
    form = last if y.ndim > 2 else (lambda t: t.detach().clone())
    values[f"{case}.y"], values[f"{case}.u"] = form(y), form(u)
    for (name, t), f in zip(inputs.items(), forms):
        values[f"{case}.{name}"], values[f"{case}.d_{name}"] = f(t), f(t.grad)


def plain(t):
    return t.detach().clone()


def convolutions():
    x, w, b = leaf(2, 4, 7, 6), leaf(6, 2, 3, 2), leaf(6)
    y = F.conv2d(x, w, b, stride=(2, 1), padding=(1, 1), dilation=(1, 2), groups=2)
    keep("conv", {"x": x, "w": w, "b": b}, y, [last, turned, plain])
    x, w, b = leaf(2, 6, 4, 3), leaf(6, 2, 3, 4), leaf(4)
    y = F.conv_transpose2d(x, w, b, stride=(2, 3), padding=(1, 2), output_padding=(1, 0), groups=2)
    keep("transpose", {"x": x, "w": w, "b": b}, y, [last, turned, plain])
    x, w, b = leaf(2, 3, 9), leaf(5, 3, 3), leaf(5)
    keep("conv1d", {"x": x, "w": w, "b": b}, F.conv1d(x, w, b, stride=2, padding=2, dilation=2), [last, turned, plain])


def norms():
    x, w, b = leaf(2, 6, 4, 3), leaf(6), leaf(6)
    keep("group", {"x": x, "w": w, "b": b}, F.group_norm(x, 3, w, b, 1e-5), [last, plain, plain])
    x, w, b = leaf(3, 4, 2, 5), leaf(4), leaf(4)
    mean, var = torch.zeros(4), torch.ones(4)
    y = F.batch_norm(x, mean, var, w, b, training=True, momentum=0.1, eps=1e-5)
    keep("batch", {"x": x, "w": w, "b": b}, y, [last, plain, plain])
    values["batch.mean"], values["batch.var"] = mean, var
    values["batch.later"] = last(F.batch_norm(x, mean, var, w, b, training=False, eps=1e-5))


def resampling():
    x = leaf(2, 3, 7)
    keep("mean", {"x": x}, F.adaptive_avg_pool1d(x, 3), [last])
    for name, n_in, n, mode in [("down", 9, 4, "bilinear"), ("up", 4, 7, "bilinear"), ("cubic", 9, 5, "bicubic")]:
        x = leaf(1, 2, n_in, 3)
        keep(name, {"x": x}, F.interpolate(x, (n, 3), mode=mode, antialias=True, align_corners=False), [last])
    row = numpy.random.default_rng(3).standard_normal(11).astype(numpy.float32)
    small = numpy.asarray(Image.fromarray(row[None, :], mode="F").resize((4, 1), Image.LANCZOS))
    values["lanczos.x"], values["lanczos.y"] = torch.tensor(row[None, :, None]).double(), torch.tensor(small[:, :, None]).double()
    taps, signal = torch.tensor([1.0, -2.0, 0.5, 3.0]), torch.randn(8)
    values["fir.x"] = signal[None, :, None].clone()
    values["fir.y"] = torch.tensor(scipy.signal.upfirdn(taps.flip(0).numpy(), signal.numpy(), up=3, down=2))[None, :, None]
    x = leaf(2, 3, 4, 6)
    keep("pool", {"x": x}, F.max_pool2d(x, 2), [last])
    x = torch.randn(2, 12, 3, 2)  # PyTorch has the channel outside of its square, we inside
    values["shuffle.x"] = last(x.reshape(2, 3, 4, 3, 2).transpose(1, 2).reshape(2, 12, 3, 2))
    values["shuffle.y"] = last(F.pixel_shuffle(x, 2))


def penalty():
    """Half the squared norm of the gradient of the network's sum over its input, by differentiating twice."""
    x = leaf(3, 2, 6, 6)
    w = {"w1": leaf(8, 2, 3, 3), "b1": leaf(8), "w2": leaf(8, 4, 3, 3), "b2": leaf(8), "w3": leaf(1, 8, 1, 1)}
    h = F.leaky_relu(F.conv2d(x, w["w1"], w["b1"], padding=1), 0.2)
    h = F.leaky_relu(F.conv2d(h, w["w2"], w["b2"], stride=2, padding=1, groups=2), 0.2)
    score = F.conv2d(h, w["w3"]).sum()
    slope, = torch.autograd.grad(score, x, create_graph=True)
    loss = 0.5 * slope.square().sum()
    loss.backward()
    values["penalty.x"], values["penalty.loss"], values["penalty.slope"] = last(x), loss.detach().reshape(1), last(slope)
    for name, p in w.items():
        form = turned if p.ndim > 1 else plain
        values[f"penalty.{name}"] = form(p)
        values[f"penalty.d_{name}"] = form(p.grad if p.grad is not None else torch.zeros_like(p))


def main():
    for make in (convolutions, norms, resampling, penalty):
        make()
    versions = {"torch": torch.__version__, "scipy": scipy.__version__, "pillow": PIL.__version__}
    path = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/pictures.safetensors"
    safetensors.torch.save_file({k: v.contiguous() for k, v in values.items()}, path, metadata=versions)


main()

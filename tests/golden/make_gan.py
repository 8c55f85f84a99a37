#!/usr/bin/env python3
"""Makes the golden values that tests/golden/test_gan.c compares with: a small R3GAN, the same judging pairs of pictures,
and a small DCGAN, written after the papers (Huang et al. 2024; Lin et al. 2018; Radford et al. 2016) in PyTorch, in
double precision: what the networks say, both losses, and the gradients of all parameters, with the slope penalties by
differentiating twice. Needs torch and safetensors.

    python3 tests/golden/make_gan.py [FILE]        writes tests/golden/gan.safetensors

Pictures are stored channels last, weights as [kh, kw, c / groups, o]; NET.w.PATH is a parameter, NET.d.PATH its gradient
in the phase that trains it.
"""
import math
import sys

import safetensors.torch
import torch
import torch.nn.functional as F

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)
N, LATENT, CLASSES = 4, 5, 3
GAMMA = 0.7
values = {}


class Net:
    """Parameters by our paths, made where they are first used."""

    def __init__(self, name, pack=1):
        self.name, self.pack, self.w = name, pack, {}

    def param(self, path, shape, scale=1.0, shift=0.0):
        if path not in self.w:
            self.w[path] = (torch.randn(*shape) * scale + shift).requires_grad_()
        return self.w[path]

    def conv(self, path, x, out, k=1, groups=1, bias=False, **options):
        c = x.shape[1]
        w = self.param(path + ".weight", (k, k, c // groups, out), 1 / math.sqrt(k * k * c / groups))
        b = self.param(path + ".bias", (out,), 0.3) if bias else None
        return F.conv2d(x, w.permute(3, 2, 0, 1), b, groups=groups, **options)

    def linear(self, path, x, out):
        return F.linear(x, self.param(path + ".weight", (out, x.shape[1]), 1 / math.sqrt(x.shape[1])))

    def embed(self, path, label, n):
        return self.param(path + ".weight", (CLASSES + 1, n), 0.7)[label]

    def packed(self, x):
        """Pictures of one pack beside each other, as channels."""
        return torch.cat([x[i::self.pack] for i in range(self.pack)], 1)

    def verdict(self, path, x, label):
        rows = self.packed(self.embed(path + "class", label, LATENT))
        return (self.linear(path + "judge", x.flatten(1), LATENT * self.pack) * rows).sum(1)


def flat(x):
    """Channels last before flattening, as we do."""
    return x.permute(0, 2, 3, 1).flatten(1)


def fir(x, up):
    c = x.shape[1]
    k = torch.tensor([0.5, 1, 0.5]) if up else torch.tensor([0.25, 0.5, 0.25])
    k = (k[:, None] * k[None, :]).expand(c, 1, 3, 3)
    if not up:
        return F.conv2d(x, k, stride=2, padding=1, groups=c)
    return F.conv_transpose2d(x, k, stride=2, padding=1, output_padding=1, groups=c)


def to_patches(x):
    """[n, c, h, w] to [n, 4 c, h / 2, w / 2], the channels of one pixel beside each other, as ours are."""
    n, c, h, w = x.shape
    return x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


def from_patches(x):
    n, c, h, w = x.shape
    return x.view(n, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // 4, 2 * h, 2 * w)


def lrelu(x):
    return F.leaky_relu(x, 0.2)


class R3GAN(Net):
    """18 pixels, framed to 20, in patches of two: stages of 5 and 10."""
    SIDE, CHANNELS, WIDTH, GROUP, FIRST = 18, 3, [16, 8], 4, 5

    def block(self, path, x):
        c = x.shape[1]
        y = lrelu(self.conv(path + ".expand", x, 2 * c, bias=True))
        y = lrelu(self.conv(path + ".mix", y, 2 * c, k=3, groups=2 * c // self.GROUP, bias=True, padding=1))
        return x + self.conv(path + ".shrink", y, c)

    def generate(self, z, label):
        z = torch.cat([z, self.embed("generator.class", label, LATENT)], 1)
        basis = self.param("generator.basis", (1, self.FIRST, self.FIRST, self.WIDTH[0]))
        x = self.linear("generator.weigh", z, self.WIDTH[0])[:, :, None, None] * basis.permute(0, 3, 1, 2)
        x = self.block("generator.stages.0.blocks.0", x)
        x = fir(self.conv("generator.stages.1.narrow", x, self.WIDTH[1]), True)
        x = self.block("generator.stages.1.blocks.0", x)
        return from_patches(self.conv("generator.pixels", x, 4 * self.CHANNELS))[:, :, 1:19, 1:19]

    def judge(self, x, label):
        x = to_patches(F.pad(self.packed(x), (1, 1, 1, 1), value=-1))
        x = self.conv("discriminator.pixels", x, self.WIDTH[1])
        x = self.block("discriminator.stages.1.blocks.0", x)
        x = self.conv("discriminator.stages.1.widen", fir(x, False), self.WIDTH[0])
        x = self.block("discriminator.stages.0.blocks.0", x)
        x = self.conv("discriminator.basis", x, self.WIDTH[0], k=self.FIRST, groups=self.WIDTH[0])
        return self.verdict("discriminator.", x, label)

    def losses(self, real, made):
        return F.softplus(made - real).mean(), F.softplus(real - made).mean()  # of D, of G


class DCGAN(Net):
    SIDE, CHANNELS, WIDTH = 16, 1, [6, 12]

    def norm(self, path, x):
        c = x.shape[1]
        gain, bias = self.param(path + ".weight", (c,), 0.2, 1), self.param(path + ".bias", (c,), 0.2)
        return F.batch_norm(x, None, None, gain, bias, training=True, eps=1e-5)

    def up(self, path, x, out):
        w = self.param(path + ".weight", (4, 4, out, x.shape[1]), 0.2)
        return F.conv_transpose2d(x, w.permute(3, 2, 0, 1), stride=2, padding=1)

    def generate(self, z, label):
        z = torch.cat([z, self.embed("generator.class", label, LATENT)], 1)
        x = self.linear("generator.first", z, 16 * self.WIDTH[1]).view(-1, 4, 4, self.WIDTH[1]).permute(0, 3, 1, 2)
        x = F.relu(self.norm("generator.norm", x))
        x = F.relu(self.norm("generator.layers.1.norm", self.up("generator.layers.1.conv", x, self.WIDTH[0])))
        return torch.tanh(self.up("generator.pixels", x, self.CHANNELS))

    def judge(self, x, label):
        x = lrelu(self.conv("discriminator.layers.1.conv", x, self.WIDTH[0], k=4, stride=2, padding=1))
        x = self.conv("discriminator.layers.2.conv", x, self.WIDTH[1], k=4, stride=2, padding=1)
        return self.verdict("discriminator.", flat(lrelu(self.norm("discriminator.layers.2.norm", x))), label)

    def losses(self, real, made):
        return F.softplus(-real).mean() + F.softplus(made).mean(), F.softplus(-made).mean()


def slopes(net, x, label):
    """Squared norms of the slope of D at each pack of pictures, summed; can be differentiated."""
    x = x.detach().requires_grad_()
    slope, = torch.autograd.grad(net.judge(x, label).sum(), x, create_graph=True)
    return slope.square().sum()


def keep_gradients(net, loss, network):
    names = [n for n in net.w if n.startswith(network)]
    for n, d in zip(names, torch.autograd.grad(loss, [net.w[n] for n in names])):
        values[f"{net.name}.d.{n}"] = d


def make(net):
    z, label = torch.randn(N, LATENT), torch.tensor([2, 0, 3, 1])
    real = torch.randn(N, net.CHANNELS, net.SIDE, net.SIDE)
    made = net.generate(z, label)
    real_score, made_score = net.judge(real, label), net.judge(made, label)
    d_loss, g_loss = net.losses(real_score, made_score)
    keep_gradients(net, g_loss, "generator")
    made = made.detach()
    d_loss = net.losses(net.judge(real, label), net.judge(made, label))[0]
    d_loss = d_loss + GAMMA / 2 * (slopes(net, real, label) + slopes(net, made, label)) / (N // net.pack)
    keep_gradients(net, d_loss, "discriminator")
    out = {"z": z, "label": label.to(torch.int32)[:, None], "gamma": torch.tensor([GAMMA]), "loss": g_loss.reshape(1),
           "loss_discriminator": d_loss.reshape(1), "real_score": real_score, "made_score": made_score,
           "x": real.permute(0, 2, 3, 1), "made": made.permute(0, 2, 3, 1)}
    out.update({f"w.{n}": p for n, p in net.w.items()})
    values.update({f"{net.name}.{n}": v for n, v in out.items()})


for net in (R3GAN("r3gan"), R3GAN("packed", pack=2), DCGAN("dcgan")):
    make(net)
path = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/gan.safetensors"
safetensors.torch.save_file({k: v.detach().contiguous().clone() for k, v in values.items()}, path,
                            metadata={"torch": torch.__version__})

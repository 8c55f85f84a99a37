#!/usr/bin/env python3
"""Makes the golden values that tests/golden/test_picture_models.c compares with: the networks of models/vae.c and
models/flow.c and the terms of a VAE's bound, written again in PyTorch, in double precision. Needs torch, safetensors; the
version used is in the metadata.

    python3 tests/golden/make_picture_models.py [FILE]        writes tests/golden/picture_models.safetensors

NETWORK.PATH are parameters by figment's paths; pictures are channels last. d_x is the gradient of sum(y * u).
"""
import math
import sys

import safetensors.torch
import torch
import torch.nn.functional as F

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)
values = {}
params = {}


def rounded(t):
    """Inputs are float32 in figment."""
    return t.float().double()


def param(net, path, *shape, scale=0.3, around=0.0):
    key = f"{net}.{path}"
    if key not in params:
        params[key] = around + scale * torch.randn(*shape)
    return params[key]


def linear(net, path, x, out, bias=True):
    w = param(net, f"{path}.weight", out, x.shape[-1])
    return F.linear(x, w, param(net, f"{path}.bias", out) if bias else None)


def rms_norm(net, path, x, eps=1e-6):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * param(net, f"{path}.weight", x.shape[-1], around=1)


# --- the VAE ---------------------------------------------------------------------------------------------------------

SIDE, CHANNELS, LATENT, HIDDEN, K = 4, 3, 5, 7, 2


def vae_hidden(where, x):
    for i in range(2):
        x = torch.tanh(linear("vae", f"{where}.layers.{i}.fc", x, HIDDEN))
    return x


def vae():
    x = rounded(torch.rand(3, SIDE, SIDE, CHANNELS))
    h = vae_hidden("encoder", x.reshape(3, -1))
    values["vae.mean"], values["vae.log_var"] = linear("vae", "encoder.mean", h, LATENT), linear("vae", "encoder.log_var", h, LATENT)
    z = rounded(torch.randn(3 * K, LATENT))
    y = linear("vae", "decoder.pixels", vae_hidden("decoder", z), SIDE * SIDE * CHANNELS)
    values["vae.x"], values["vae.z"] = x, z
    values["vae.y"] = y.reshape(3 * K, SIDE, SIDE, CHANNELS)
    pixels = torch.round(x * 255) / 255
    pixels[0, 0, 0, 0], pixels[0, 0, 0, 1] = 0, 1
    pixels = rounded(pixels)
    mean = rounded(torch.rand(3, K, SIDE * SIDE, CHANNELS)).requires_grad_()
    p, scale = pixels.reshape(3, 1, -1, CHANNELS), param("vae", "log_scale", CHANNELS)
    values["vae.pixels"], values["vae.means"] = p, mean.detach()
    bernoulli = torch.distributions.Bernoulli(logits=mean, validate_args=False)
    values["vae.bernoulli"] = bernoulli.log_prob(p).sum((2, 3))
    s = torch.exp(scale - 3)
    a, b = (p + 1 / 510 - mean) / s, (p - 1 / 510 - mean) / s
    side = torch.where(p > mean, -1.0, 1.0)  # the tail where both are small, so that nothing cancels
    inside = torch.log(side * (torch.sigmoid(side * a) - torch.sigmoid(side * b)))
    each = torch.where(p > 0.999, F.logsigmoid(-b), torch.where(p < 0.001, F.logsigmoid(a), inside))
    logistic = each.sum((2, 3))
    logistic.sum().backward()
    values["vae.logistic"], values["vae.d_means"] = logistic.detach(), mean.grad
    noise, log_var = rounded(torch.randn(3, K, LATENT)), rounded(torch.randn(3, 1, LATENT))
    q = torch.distributions.Normal(torch.zeros(()), torch.exp(0.5 * log_var))
    values["vae.noise"], values["vae.noise_log_var"] = noise, log_var
    values["vae.log_q"] = q.log_prob(noise * torch.exp(0.5 * log_var)).sum(-1)
    values["vae.log_prior"] = torch.distributions.Normal(0.0, 1.0).log_prob(noise).sum(-1)
    values["vae.log_mean_exp"] = torch.logsumexp(logistic.detach(), 1, keepdim=True) - math.log(K)
    doubly(p)


def doubly(p):
    """The doubly reparameterised gradient of minus the importance-weighted bound, by hooks on the latents."""
    m, lv = rounded(torch.randn(3, 1, LATENT)).requires_grad_(), rounded(torch.randn(3, 1, LATENT)).requires_grad_()
    z = (m + torch.exp(0.5 * lv) * rounded(torch.randn(3, 2 * K, LATENT))).detach()
    z = rounded(z).requires_grad_()
    y = linear("vae", "decoder.pixels", vae_hidden("decoder", z), SIDE * SIDE * CHANNELS).reshape(3, 2 * K, -1, CHANNELS)
    log_x = torch.distributions.Bernoulli(logits=y, validate_args=False).log_prob(p).sum((2, 3))
    q = torch.distributions.Normal(m.detach(), torch.exp(0.5 * lv.detach()))
    log_weight = log_x + torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1) - q.log_prob(z).sum(-1)
    z.register_hook(lambda g: g * torch.softmax(log_weight.detach(), 1)[..., None])
    bound = torch.logsumexp(log_weight, 1) - math.log(2 * K)
    (-bound.mean()).backward()
    values.update({"vae.q_mean": m, "vae.q_log_var": lv, "vae.q_z": z, "vae.log_weight": log_weight, "vae.doubly": z.grad})


# --- the flow --------------------------------------------------------------------------------------------------------

WIDTH, HEADS, PATCH, FLOW_SIDE, CLASSES, TEXT, VOCAB = 16, 2, 2, 6, 4, 3, 9
HEAD = WIDTH // HEADS


def rotate(x, rows, columns):
    """x [n, t, h, d]; the first half of the waves turns with the row, the other with the column."""
    half, quarter = HEAD // 2, HEAD // 4
    waves = 100.0 ** (-torch.arange(quarter) / quarter)
    angle = torch.cat([rows[:, None] * waves, columns[:, None] * waves], -1)[None, :, None, :]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def block(path, x, rows=None, columns=None):
    n, t, c = x.shape
    q, k, v = linear("flow", f"{path}.attn.qkv", rms_norm("flow", f"{path}.norm1", x), 3 * c, False).split(c, -1)
    q, k, v = (u.reshape(n, t, HEADS, HEAD) for u in (q, k, v))
    q, k = rms_norm("flow", f"{path}.attn.q_norm", q), rms_norm("flow", f"{path}.attn.k_norm", k)
    if rows is not None:
        q, k = rotate(q, rows, columns), rotate(k, rows, columns)
    y = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    x = x + linear("flow", f"{path}.attn.proj", y.transpose(1, 2).reshape(n, t, c), c, False)
    ffn = (c * 8 // 3 + 31) // 32 * 32
    gate, up = linear("flow", f"{path}.mlp.gate_up", rms_norm("flow", f"{path}.norm2", x), 2 * ffn, False).split(ffn, -1)
    return x + linear("flow", f"{path}.mlp.down", F.silu(gate) * up, c, False)


def flow():
    n, across = 2, FLOW_SIDE // PATCH
    x = rounded(torch.randn(n, FLOW_SIDE, FLOW_SIDE, CHANNELS)).requires_grad_()
    time, label, text = torch.tensor([[130], [870]]), torch.tensor([[2], [CLASSES]]), torch.tensor([[1, 5, VOCAB], [VOCAB] * 3])
    patches = x.reshape(n, across, PATCH, across, PATCH, CHANNELS).transpose(2, 3).reshape(n, across * across, -1)
    angle = time[..., None] * 10000.0 ** (-torch.arange(64) / 64)
    t = torch.cat([angle.cos(), angle.sin()], -1)
    t = linear("flow", "time.down", F.silu(linear("flow", "time.up", t, WIDTH)), WIDTH)
    h = linear("flow", "patches", patches, WIDTH) + param("flow", "pos", 1, across * across, WIDTH) + t
    e = F.embedding(text, param("flow", "text.embed.weight", VOCAB + 1, WIDTH)) + param("flow", "text.pos", 1, TEXT, WIDTH)
    e = block("text.blocks.0", e)
    h = torch.cat([h, t, F.embedding(label, param("flow", "label.weight", CLASSES + 1, WIDTH)), e], 1)
    at = torch.arange(across * across)
    rows = torch.cat([1 + at // across, torch.zeros(2 + TEXT)]).double()
    columns = torch.cat([1 + at % across, torch.arange(2 + TEXT)]).double()
    for i in range(2):
        h = block(f"blocks.{i}", h, rows, columns)
    h = rms_norm("flow", "norm", h[:, : across * across])
    y = linear("flow", "pixels", h, PATCH * PATCH * CHANNELS)
    y = y.reshape(n, across, across, PATCH, PATCH, CHANNELS).transpose(2, 3).reshape(n, FLOW_SIDE, FLOW_SIDE, CHANNELS)
    u = rounded(torch.randn_like(y))
    y.backward(u)
    values.update({"flow.x": x, "flow.u": u, "flow.y": y, "flow.d_x": x.grad})
    values.update({"flow.time": time.int(), "flow.label": label.int(), "flow.text": text.int()})


def main():
    vae()
    flow()
    everything = {k: v.detach().contiguous().clone() for k, v in {**values, **{f"param.{k}": v for k, v in params.items()}}.items()}
    path = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/picture_models.safetensors"
    safetensors.torch.save_file(everything, path, metadata={"torch": torch.__version__})


main()

"""The networks of figment's recipes in PyTorch. Sources: src/models.

Parameters bear figment's names and, by shapes(), its shapes (`figment info MODEL --tensors`), so that the two can be
laid side by side. `o` holds figment's own settings.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from layers import (EPS, Block, Bottleneck, Captions, ConvNet, Resampled, RMSNorm, conv, flat, halved, layer_norm,
                    round_up)


def shapes(net):
    """Name and shape of every parameter as figment lays them out: convolutions are [h, w, in, out]."""
    convs = {id(m.weight) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))}
    statistics = [(name, b) for name, b in net.named_buffers() if "running" in name]
    named = [*net.named_parameters(), *statistics]
    return {name: list(p.permute(2, 3, 1, 0).shape if id(p) in convs else p.shape) for name, p in named}


# --- transformers -----------------------------------------------------------------------------------------------------


class Flow(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.patch, self.across, width = o.patch_size, o.image_size // o.patch_size, o.n_embd
        numbers, n_patches = o.patch_size**2 * o.n_channels, self.across**2
        self.patches, self.pos = nn.Linear(numbers, width), nn.Parameter(0.02 * torch.randn(1, n_patches, width))
        self.time = nn.ModuleDict({"up": nn.Linear(128, width), "down": nn.Linear(width, width)})
        self.label = nn.Embedding(o.n_classes + 1, width) if o.n_classes else None
        self.text = Captions(o, o.n_text_layer, dropout=o.dropout) if o.text_length else None
        self.blocks = nn.ModuleList(Block(width, o.n_head, dropout=o.dropout) for _ in range(o.n_layer))
        self.norm, self.pixels = RMSNorm(width), nn.Linear(width, numbers)
        angle = self.angles(n_patches, 1 + bool(o.n_classes) + o.text_length, width // o.n_head // 4)
        self.register_buffer("cos", angle.cos()), self.register_buffer("sin", angle.sin())
        self.register_buffer("waves", 10000.0 ** (-torch.arange(64) / 64))

    def angles(self, n_patches, described, quarter):
        """Patches stand at (1 + row, 1 + column); what describes the picture stands at row 0, in order."""
        at = torch.arange(n_patches + described)
        row = torch.where(at < n_patches, 1 + at // self.across, 0)
        column = torch.where(at < n_patches, 1 + at % self.across, at - n_patches)
        waves = 100.0 ** (-torch.arange(quarter) / quarter)
        return torch.cat([row[:, None] * waves, column[:, None] * waves], -1)

    def forward(self, x, time, label, text):
        """x [n, h, w, c], time [n] of 0 to 1000."""
        n, side, _, c = x.shape
        a, p = self.across, self.patch
        h = self.patches(x.view(n, a, p, a, p, c).transpose(2, 3).reshape(n, a * a, -1)) + self.pos
        angle = time[:, None, None] * self.waves
        t = self.time["down"](F.silu(self.time["up"](torch.cat([angle.cos(), angle.sin()], -1))))
        tokens = [h + t, t]
        if self.label is not None:
            tokens.append(self.label(label)[:, None])
        if self.text is not None:
            tokens.append(self.text(text))
        h = torch.cat(tokens, 1)
        for block in self.blocks:
            h = block(h, (self.cos, self.sin))
        y = self.pixels(self.norm(h[:, : a * a]))
        return y.view(n, a, a, p, p, c).transpose(2, 3).reshape(n, side, side, c)


class Gpt2(nn.Module):
    """Logits of all rows of the table, which is padded to a multiple of 64."""

    def __init__(self, o):
        super().__init__()
        self.embed = nn.Embedding(o.padded_vocab or round_up(o.vocab_size, 64), o.n_embd)
        self.pos = nn.Embedding(o.block_size, o.n_embd)
        kind = {"gpt2": True, "causal": True, "dropout": o.dropout, "bias": o.bias}
        kind["gelu"] = {"gelu": "none", "gelu_tanh": "tanh"}[o.mlp]
        self.blocks = nn.ModuleList(Block(o.n_embd, o.n_head, **kind) for _ in range(o.n_layer))
        self.norm, self.dropout = layer_norm(o.n_embd, o.bias), o.dropout

    def forward(self, tokens):
        x = F.dropout(self.embed(tokens) + self.pos.weight, self.dropout, self.training)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embed.weight)


class Bert(nn.Module):
    """Logits of all rows of the table, at places that count along the rows of the batch."""

    def __init__(self, o):
        super().__init__()
        self.embed = nn.Embedding(o.padded_vocab or round_up(o.vocab_size, 64), o.n_embd)
        self.pos, self.type = nn.Embedding(o.block_size, o.n_embd), nn.Embedding(o.type_vocab_size, o.n_embd)
        self.norm, self.dropout = layer_norm(o.n_embd, True), o.dropout
        kind = {"gpt2": True, "post_norm": True, "dropout": o.dropout}
        self.blocks = nn.ModuleList(Block(o.n_embd, o.n_head, **kind) for _ in range(o.n_layer))
        self.head = nn.ModuleDict({"transform": nn.Linear(o.n_embd, o.n_embd), "norm": layer_norm(o.n_embd, True)})
        self.head.bias = nn.Parameter(torch.zeros(self.embed.num_embeddings))

    def forward(self, tokens, places):
        first = self._modules["type"].weight[0]  # modules have a method of that name
        x = self.norm(self.embed(tokens) + self.pos.weight + first)
        x = F.dropout(x, self.dropout, self.training)
        for block in self.blocks:
            x = block(x)
        x = x.flatten(0, 1).index_select(0, places.flatten())
        x = self.head["norm"](F.gelu(self.head["transform"](x)))
        return F.linear(x, self.embed.weight, self.head.bias)


class Tokens(nn.Module):
    """The transformer over codes; the codec whose codes they are lies frozen inside."""

    def __init__(self, o):
        super().__init__()
        self.codec = Fsq(o.n_channels, o.codec_levels, o.codec_width, o.codec_n_level, o.codec_n_block)
        self.codec.requires_grad_(False)
        self.n_codes, self.n_kinds = (o.image_size >> (o.codec_n_level - 1)) ** 2, math.prod(self.codec.levels)
        self.tokens = nn.Embedding(round_up(self.n_kinds + o.vocab_size + 1 + o.n_classes + 1, 64), o.n_embd)
        self.pos = nn.Embedding(self.n_codes, o.n_embd)
        kind = {"causal": True, "dropout": o.dropout}
        self.blocks = nn.ModuleList(Block(o.n_embd, o.n_head, **kind) for _ in range(o.n_layer))
        self.codes, self.norm = nn.Embedding(round_up(self.n_kinds, 64), o.n_embd), RMSNorm(o.n_embd)
        self.dropout = o.dropout

    def forward(self, sequence):
        x = F.dropout(self.tokens(sequence) + self.pos.weight, self.dropout, self.training)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.codes.weight[: self.n_kinds])


# --- autoencoders -----------------------------------------------------------------------------------------------------


class Perceptron(nn.Module):
    """layers.*.fc, then a linear layer for each of outs."""

    def __init__(self, n, o, outs):
        super().__init__()
        self.act = {"tanh": torch.tanh, "relu": F.relu, "gelu": F.gelu, "silu": F.silu}[o.activation]
        widths = [n] + [o.n_hidden] * o.n_layer
        self.layers = nn.ModuleList(nn.ModuleDict({"fc": nn.Linear(i, k)}) for i, k in zip(widths, widths[1:]))
        self.outs = list(outs)
        for name, width in outs.items():
            self.add_module(name, nn.Linear(widths[-1], width))

    def forward(self, x):
        for layer in self.layers:
            x = self.act(layer["fc"](x))
        return [getattr(self, name)(x) for name in self.outs]


class Vae(nn.Module):
    def __init__(self, o):
        super().__init__()
        numbers = o.image_size**2 * o.n_channels
        self.encoder = Perceptron(numbers, o, {"mean": o.n_latent, "log_var": o.n_latent})
        self.decoder = Perceptron(o.n_latent, o, {"pixels": numbers})

    def encode(self, x):
        """Mean and log variance, [n, latents] each."""
        return self.encoder(flat(x))

    def decode(self, z):
        """[n, numbers of a picture], channels last."""
        return self.decoder(z)[0]


class ConvVae(nn.Module):
    def __init__(self, o):
        super().__init__()
        net, c, side = (o.width, o.n_level, o.n_block), o.latent_channels, o.image_size >> (o.n_level - 1)
        self.encoder, self.decoder = ConvNet(o.n_channels, 2 * c, *net, True), ConvNet(c, o.n_channels, *net, False)
        self.grid = (side, side, c)

    def encode(self, x):
        return [flat(part) for part in self.encoder(x).chunk(2, 1)]

    def decode(self, z):
        return flat(self.decoder(z.view(-1, *self.grid).permute(0, 3, 1, 2)))


class Fsq(nn.Module):
    """Finite scalar quantisation; the gradient passes the rounding as if it were not there."""

    def __init__(self, c, levels, *net):
        super().__init__()
        self.levels = [int(level) for level in levels.split(",")]
        n = len(self.levels)
        self.encoder, self.decoder = ConvNet(c, n, *net, True), ConvNet(n, c, *net, False)
        half = [(level - 1) * (1 - 1e-3) / 2 for level in self.levels]
        offset = [0 if level % 2 else 0.5 for level in self.levels]
        numbers = {"reach": half, "offset": offset, "shift": [math.tan(a / b) for a, b in zip(offset, half)],
                   "scale": [1 / (level // 2) for level in self.levels]}
        for name, values in numbers.items():
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1))

    def forward(self, x):
        bounded = torch.tanh(self.encoder(x).float() + self.shift) * self.reach - self.offset
        return self.decoder((bounded + (bounded.round() - bounded).detach()) * self.scale)


# --- what tells pictures apart ----------------------------------------------------------------------------------------


class Classifier(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.conv1, self.conv2 = conv(o.n_channels, 32, 5), conv(32, 64, 5)
        self.features = nn.Linear(64 * (round_up(o.image_size, 4) // 4) ** 2, o.n_features)
        self.classes, self.dropout = nn.Linear(o.n_features, o.n_classes), o.dropout

    def forward(self, x):
        x = F.relu(self.features(flat(halved(self.conv2, halved(self.conv1, x)))))
        return self.classes(F.dropout(x, self.dropout, self.training))


class Looker(nn.Module):
    def __init__(self, o):
        super().__init__()
        widths, step = [o.n_channels] + [min(32 << i, 128) for i in range(o.n_level)], 1 << o.n_level
        self.convs = [f"conv{i + 1}" for i in range(o.n_level)]
        for i, name in enumerate(self.convs):
            self.add_module(name, conv(widths[i], widths[i + 1], 3 if i else 5))
        numbers = widths[-1] * (round_up(o.image_size, step) // step) ** 2
        self.norm, self.features = nn.LayerNorm(numbers, EPS), nn.Linear(numbers, o.n_features, bias=False)
        self.dropout = o.dropout

    def forward(self, x):
        for name in self.convs:
            x = halved(getattr(self, name), x)
        return self.features(F.dropout(self.norm(flat(x)), self.dropout, self.training))


class Reader(Captions):
    """The mean over the tokens of a caption."""

    def __init__(self, o):
        super().__init__(o, o.n_layer, gpt2=True, dropout=o.dropout)
        self.norm, self.features = nn.LayerNorm(o.n_embd, EPS), nn.Linear(o.n_embd, o.n_features, bias=False)
        self.none, self.dropout = o.vocab_size, o.dropout

    def forward(self, text):
        counts = (text < self.none).float()[..., None]
        x = (super().forward(text).float() * counts).sum(1) / (counts.sum(1) + EPS)
        return self.features(F.dropout(self.norm(x), self.dropout, self.training))


class Contrastive(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.picture, self.text, self.log_scale = Looker(o), Reader(o), nn.Parameter(torch.zeros(1))

    def forward(self, x, text):
        a, b = (y * (y.square().sum(-1, keepdim=True) + EPS).rsqrt()
                for y in (self.picture(x).float(), self.text(text).float()))
        return (a @ b.T).float() * (self.log_scale + math.log(1 / 0.07)).clamp(0, math.log(100)).exp()


# --- R3GAN ------------------------------------------------------------------------------------------------------------


class Stages(nn.Module):
    """What generator and discriminator share: a stage for each doubling of 4 to 7 pixels, and the frame."""

    def __init__(self, o, up):
        super().__init__()
        inner = math.ceil(o.image_size / o.patch_size)
        halvings = {first: max(math.ceil(math.log2(inner / first)), 0) for first in range(4, 8)}
        self.first = min(halvings, key=lambda first: first << halvings[first])
        n = halvings[self.first] + 1
        more = (self.first << (n - 1)) * o.patch_size - o.image_size
        self.patch, self.pixel_channels = o.patch_size, o.n_channels * o.patch_size**2
        self.side, self.before, self.after = o.image_size, more // 2, more - more // 2
        self.n_kinds = o.n_classes if o.conditional else 0
        self.widths = [min(o.width << (n - 1 - i), max(o.max_width, o.width)) for i in range(n)]
        self.stages = nn.ModuleList(nn.ModuleDict() for _ in self.widths)
        for i, (above, own) in enumerate(zip([0] + self.widths, self.widths)):
            self.stages[i]["blocks"] = nn.Sequential(*(Bottleneck(o, own) for _ in range(o.n_block)))
            if i:
                name, ends = ("narrow", (above, own)) if up else ("widen", (own, above))
                self.stages[i][name] = conv(*ends, 1, bias=False)
                self.stages[i]["side"] = Resampled(own, up)

    def know_classes(self, width):
        """A row of so many numbers for each class and one for none; nothing for pictures of no class."""
        if self.n_kinds:
            self.add_module("class", nn.Embedding(self.n_kinds + 1, width))

    def row_of(self, label):
        return getattr(self, "class")(label)


class Generator(Stages):
    def __init__(self, o):
        super().__init__(o, True)
        self.basis = nn.Parameter(torch.randn(1, self.first, self.first, self.widths[0]))
        self.know_classes(o.n_latent)
        self.weigh = nn.Linear(o.n_latent * (2 if self.n_kinds else 1), self.widths[0], bias=False)
        self.pixels = conv(self.widths[-1], self.pixel_channels, 1, bias=False)

    def forward(self, z, label):
        if self.n_kinds:
            z = torch.cat([z, self.row_of(label)], 1)
        x = (self.weigh(z)[:, None, None] * self.basis).permute(0, 3, 1, 2)
        for i, stage in enumerate(self.stages):
            x = stage["blocks"](stage["side"](stage["narrow"](x)) if i else x)
        inside = slice(self.before, self.before + self.side)
        return F.pixel_shuffle(self.pixels(x), self.patch)[..., inside, inside]


class Discriminator(Stages):
    def __init__(self, o):
        super().__init__(o, False)
        c, self.pack = self.widths[0], o.pack
        self.pixels = conv(self.pixel_channels * o.pack, self.widths[-1], 1, bias=False)
        self.basis = nn.Conv2d(c, c, self.first, groups=c, bias=False)
        numbers = o.n_latent * o.pack
        self.know_classes(numbers)
        self.judge = nn.Linear(c, numbers if self.n_kinds else 1, bias=False)

    def forward(self, x, label):
        x = F.pad(x.unflatten(0, (-1, self.pack)).flatten(1, 2), (self.before, self.after) * 2, value=-1.0)
        x = self.pixels(F.pixel_unshuffle(x, self.patch))
        for stage in reversed(self.stages):
            x = stage["blocks"](x)
            x = stage["widen"](stage["side"](x)) if "side" in stage else x
        score = self.judge(self.basis(x).flatten(1))
        return (score * self.row_of(label)).sum(1, keepdim=True) if self.n_kinds else score


# --- DCGAN ------------------------------------------------------------------------------------------------------------


class Dcgan(nn.Module):
    """What both players share: widths from the largest pictures on, and a row for each class and for none."""

    def __init__(self, o):
        super().__init__()
        self.n = 0
        while (o.image_size >> self.n) % 2 == 0 and o.image_size >> self.n >= 8:
            self.n += 1
        self.first_side = o.image_size >> self.n
        self.widths = [o.n_channels] + [min(o.width << i, max(o.max_width, o.width)) for i in range(self.n)]
        self.conditional = bool(o.n_classes and o.conditional)
        if self.conditional:
            self.add_module("class", nn.Embedding(o.n_classes + 1, o.n_latent))

    def row_of(self, label):
        return getattr(self, "class")(label)


class DcganGenerator(Dcgan):
    def __init__(self, o):
        super().__init__(o)
        w = self.widths[self.n]
        self.first = nn.Linear(o.n_latent * (2 if self.conditional else 1), self.first_side**2 * w, bias=False)
        self.norm, self.layers = nn.BatchNorm2d(w), nn.ModuleDict()
        for i in range(self.n - 1, 0, -1):
            up = nn.ConvTranspose2d(self.widths[i + 1], self.widths[i], 4, 2, 1, bias=False)
            self.layers[str(i)] = nn.ModuleDict({"conv": up, "norm": nn.BatchNorm2d(self.widths[i])})
        self.pixels = nn.ConvTranspose2d(self.widths[1], o.n_channels, 4, 2, 1, bias=False)

    def forward(self, z, label):
        if self.conditional:
            z = torch.cat([z, self.row_of(label)], 1)
        x = self.first(z).view(len(z), self.first_side, self.first_side, -1).permute(0, 3, 1, 2)
        x = F.relu(self.norm(x))
        for layer in self.layers.values():
            x = F.relu(layer["norm"](layer["conv"](x)))
        return torch.tanh(self.pixels(x))


class DcganDiscriminator(Dcgan):
    def __init__(self, o):
        super().__init__(o)
        self.layers = nn.ModuleDict()
        for i in range(1, self.n + 1):
            parts = {"conv": nn.Conv2d(self.widths[i - 1], self.widths[i], 4, 2, 1, bias=False)}
            if i > 1:
                parts["norm"] = nn.BatchNorm2d(self.widths[i])
            self.layers[str(i)] = nn.ModuleDict(parts)
        numbers = o.n_latent if self.conditional else 1
        self.judge = nn.Linear(self.first_side**2 * self.widths[self.n], numbers, bias=False)

    def forward(self, x, label):
        for layer in self.layers.values():
            x = layer["conv"](x)
            x = F.leaky_relu(layer["norm"](x) if "norm" in layer else x, 0.2)
        score = self.judge(x.permute(0, 2, 3, 1).flatten(1))
        return (score * self.row_of(label)).sum(1, keepdim=True) if self.conditional else score

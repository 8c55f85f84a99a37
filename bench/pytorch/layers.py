"""What the networks of networks.py are made of, channels last. Parameters bear figment's names. Sources: src/nn."""
import torch
import torch.nn.functional as F
from torch import nn

EPS = 1e-6


def round_up(n, to):
    return (n + to - 1) // to * to


def flat(x):
    """[n, c, h, w] to [n, h w c]; no copy of what lies channels last."""
    return x.permute(0, 2, 3, 1).flatten(1)


# --- transformers -----------------------------------------------------------------------------------------------------


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):  # the fused kernel wants one type
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), EPS)


def layer_norm(width, bias):
    return nn.LayerNorm(width, EPS, bias=bias)


def turned(x, angles):
    """Rotary positions, pairs (i, i + half)."""
    (a, b), (cos, sin) = x.chunk(2, -1), (angle.to(x.dtype) for angle in angles)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Attention(nn.Module):
    def __init__(self, width, heads, gpt2, bias, causal, dropout):
        super().__init__()
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=bias), nn.Linear(width, width, bias=bias)
        self.q_norm, self.k_norm = (nn.Identity() if gpt2 else RMSNorm(width // heads) for _ in "qk")

    def forward(self, x, angles):
        n, t, c = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, -1).transpose(1, 3).unbind(2)
        q, k = self.q_norm(q), self.k_norm(k)
        if angles:
            q, k = turned(q, angles), turned(k, angles)
        kind = {"dropout_p": self.dropout if self.training else 0.0, "is_causal": self.causal}
        y = F.scaled_dot_product_attention(q, k, v, **kind)
        return self.proj(y.transpose(1, 2).reshape(n, t, c))


class Mlp(nn.Module):
    def __init__(self, width, gpt2, bias, gelu):
        super().__init__()
        ffn = 4 * width if gpt2 else round_up(width * 8 // 3, 32)
        self.gpt2, self.gelu, self.down = gpt2, gelu, nn.Linear(ffn, width, bias=bias)
        if gpt2:
            self.up = nn.Linear(width, ffn, bias=bias)
        else:
            self.gate_up = nn.Linear(width, 2 * ffn, bias=bias)

    def forward(self, x):
        if self.gpt2:
            return self.down(F.gelu(self.up(x), approximate=self.gelu))
        gate, up = self.gate_up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    """gpt2: LayerNorm, GELU (exact, or by "tanh"), biases unless those are turned off; else RMSNorm, of queries and keys
    too, SwiGLU. Causal ones, and those that norm last, drop attention too."""

    def __init__(self, width, heads, gpt2=False, causal=False, dropout=0.0, bias=True, gelu="none", post_norm=False):
        super().__init__()
        bias = gpt2 and bias
        self.norm1, self.norm2 = (layer_norm(width, bias) if gpt2 else RMSNorm(width) for _ in range(2))
        of_attention = dropout if causal or post_norm else 0.0
        self.attn, self.mlp = Attention(width, heads, gpt2, bias, causal, of_attention), Mlp(width, gpt2, bias, gelu)
        self.dropout, self.post_norm = dropout, post_norm

    def forward(self, x, angles=None):
        if self.post_norm:
            x = self.norm1(x + F.dropout(self.attn(x, angles), self.dropout, self.training))
            return self.norm2(x + F.dropout(self.mlp(x), self.dropout, self.training))
        x = x + F.dropout(self.attn(self.norm1(x), angles), self.dropout, self.training)
        return x + F.dropout(self.mlp(self.norm2(x)), self.dropout, self.training)


class Captions(nn.Module):
    """Tokens with learnt positions through blocks; token vocab_size stands for none."""

    def __init__(self, o, layers, **kind):
        super().__init__()
        self.embed = nn.Embedding(o.vocab_size + 1, o.n_embd)
        self.pos = nn.Parameter(0.02 * torch.randn(1, o.text_length, o.n_embd))
        self.blocks = nn.ModuleList(Block(o.n_embd, o.n_head, **kind) for _ in range(layers))

    def forward(self, text):
        x = self.embed(text) + self.pos
        for block in self.blocks:
            x = block(x)
        return x


# --- pictures ---------------------------------------------------------------------------------------------------------


def conv(i, o, k, stride=1, groups=1, bias=True):
    return nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=bias)


def halved(layer, x):
    """Convolution, ReLU, the largest of 2 x 2; in this order a quarter of the ReLUs is enough."""
    h, w = x.shape[2:]
    x = F.pad(x, (0, w % 2, 0, h % 2)) if h % 2 or w % 2 else x
    return F.relu(F.max_pool2d(layer(x), 2))


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = (nn.GroupNorm(8, width) for _ in range(2))
        self.conv1, self.conv2 = (conv(width, width, 3) for _ in range(2))

    def forward(self, x):
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class ConvNet(nn.ModuleDict):
    """Encoder (down) or decoder of i channels to o: residual blocks at each size, twice as wide below the full one."""

    def __init__(self, i, o, width, n_level, n_block, down):
        widths = [width] + [2 * width] * (n_level - 1)
        levels = nn.ModuleList(nn.ModuleDict() for _ in widths)
        for k, (above, own) in enumerate(zip([0] + widths, widths)):
            levels[k]["blocks"] = nn.Sequential(*(Residual(own) for _ in range(n_block)))
            if k and down:
                levels[k]["down"] = conv(above, own, 3, 2)
            elif k:
                levels[k]["up"] = nn.ConvTranspose2d(own, above, 4, 2, 1)
        first, last = (widths[0], widths[-1]) if down else (widths[-1], widths[0])
        super().__init__({"in": conv(i, first, 3), "levels": levels, "norm": nn.GroupNorm(8, last),
                          "out": conv(last, o, 1 if down else 3)})
        order = levels if down else reversed(levels)
        self.middle = [level[part] for level in order for part in ("down", "blocks", "up") if part in level]

    def forward(self, x):
        x = self["in"](x)
        for part in self.middle:
            x = part(x)
        return self["out"](F.silu(self["norm"](x)))


class Bottleneck(nn.Module):
    def __init__(self, o, c):
        super().__init__()
        wide = c * o.expand
        self.expand, self.mix = conv(c, wide, 1), conv(wide, wide, 3, groups=wide // o.group_size)
        self.shrink = conv(wide, c, 1, bias=False)

    def forward(self, x):
        return x + self.shrink(F.leaky_relu(self.mix(F.leaky_relu(self.expand(x), 0.2)), 0.2))


class Resampled(nn.Module):
    """Twice or half the side, through taps 1 2 1."""

    def __init__(self, c, up):
        super().__init__()
        taps = torch.tensor([0.5, 1, 0.5]) / (1 if up else 2)
        self.register_buffer("weight", (taps[:, None] * taps).repeat(c, 1, 1, 1))
        self.up = up

    def forward(self, x):
        weight, kind = self.weight.to(x.dtype), {"stride": 2, "padding": 1, "groups": x.shape[1]}
        return F.conv_transpose2d(x, weight, output_padding=1, **kind) if self.up else F.conv2d(x, weight, **kind)

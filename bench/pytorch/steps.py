"""A whole training step of each kind of figment's in PyTorch: what src/train does, on pictures and texts of noise.

Learning rates, gamma and beta stay at their peak; captions are tokens already.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

import networks
from layers import flat

N_PICTURES = 4096
N_TOKENS = 1 << 20


class Update:
    """Clipping, optimizer and average of the weights: src/train/optimizer.c."""

    def __init__(self, net, o):
        self.o, self.params = o, [p for p in net.parameters() if p.requires_grad]
        tables = {id(m.weight) for m in net.modules() if isinstance(m, nn.Embedding)}
        muon = [p for p in self.params if o.optimizer == "muon" and p.ndim == 2 and id(p) not in tables]
        rest = [p for p in self.params if all(p is not q for q in muon)]
        groups = [{"params": [p for p in rest if p.ndim >= 2], "weight_decay": o.weight_decay},
                  {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0}]
        adam = {"lr": o.learning_rate, "betas": (o.beta1, o.beta2), "eps": o.epsilon, "fused": True}
        self.optimizers = [torch.optim.AdamW([g for g in groups if g["params"]], **adam)]
        if muon:
            kind = {"lr": o.muon_lr, "weight_decay": o.weight_decay, "momentum": o.muon_momentum}
            self.optimizers.append(torch.optim.Muon(muon, **kind))
        self.average = [p.detach().clone() for p in self.params] if o.ema_decay else []

    @torch.no_grad()
    def __call__(self):
        if self.o.grad_clip:
            nn.utils.clip_grad_norm_(self.params, self.o.grad_clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if self.average:
            torch._foreach_lerp_(self.average, self.params, 1 - self.o.ema_decay)


class Step:
    """Subclasses say the network, a batch and its loss; `parts` are the methods that torch.compile gets."""

    parts = "batch", "loss"

    def __init__(self, o, bf16=False, compiled=False):
        self.o, self.bf16 = o, bf16
        self.net = self.network(o).to(memory_format=torch.channels_last)
        self.updates = [Update(net, o) for net in self.players()]
        for name in self.parts if compiled else ():
            setattr(self, name, torch.compile(getattr(self, name)))

    def players(self):
        return [self.net]

    def autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bf16)

    def __call__(self):
        with self.autocast():
            loss = self.loss(*self.batch())
        loss.backward()
        self.updates[0]()
        return loss


class LanguageStep(Step):
    network = staticmethod(networks.Gpt2)

    def __init__(self, o, **how):
        super().__init__(o, **how)
        self.tokens = torch.randint(0, o.vocab_size, (N_TOKENS,))
        self.window = torch.arange(o.block_size + 1)

    def batch(self):
        at = torch.randint(0, N_TOKENS - self.o.block_size, (self.o.batch_size, 1))
        rows = self.tokens[at + self.window]
        return rows[:, :-1], rows[:, 1:]

    def loss(self, tokens, targets):
        return F.cross_entropy(self.net(tokens).float().flatten(0, 1), targets.flatten())


class MaskedStep(LanguageStep):
    network = staticmethod(networks.Bert)

    def batch(self):
        """Of each row so many tokens are asked for: most are blank, one in ten is another, one is as it was."""
        o = self.o
        at = torch.randint(0, N_TOKENS - o.block_size, (o.batch_size, 1))
        rows = self.tokens[at + self.window[:-1]]
        places = torch.rand(rows.shape).topk(math.ceil(o.mask_rate * o.block_size), sorted=False).indices
        answers, die = rows.gather(1, places), torch.rand(places.shape)
        other = torch.where(die < 0.9, torch.randint_like(answers, o.vocab_size - 1), answers)
        rows = rows.scatter(1, places, torch.where(die < 0.8, o.vocab_size - 1, other))
        return rows, places + o.block_size * torch.arange(o.batch_size)[:, None], answers

    def loss(self, tokens, places, answers):
        return F.cross_entropy(self.net(tokens, places).float(), answers.flatten())


class PictureStep(Step):
    def __init__(self, o, **how):
        self.pictures = torch.randint(0, 256, (N_PICTURES, *2 * (o.image_size,), o.n_channels), dtype=torch.uint8)
        super().__init__(o, **how)

    def rows(self):
        return torch.randint(0, N_PICTURES, (self.o.batch_size,))

    def draw(self, rows, low):
        """Pictures [n, c, h, w], channels last, of low to 1, moved by up to `shift` pixels."""
        x, k = self.pictures[rows], self.o.shift
        if k:
            at = torch.arange(x.shape[1])
            y_at, x_at = (at + torch.randint(0, 2 * k + 1, (len(rows), 1)) for _ in range(2))
            x = F.pad(x, (0, 0, k, k, k, k))[torch.arange(len(rows))[:, None, None], y_at[:, :, None], x_at[:, None]]
        return x.permute(0, 3, 1, 2).float() * ((1 - low) / 255) + low

    def kept(self):
        """Whose condition is not left out."""
        return torch.rand(self.o.batch_size) >= self.o.condition_drop


class VaeStep(PictureStep):
    """The bound, or the importance-weighted one with its doubly reparameterised gradient (Tucker et al. 2019), which
    goes through all the samples or n_backward that are picked by weight."""

    parts = "batch", "loss", "latents", "pick", "importance_step"

    def network(self, o):
        if o.likelihood == "logistic":
            raise SystemExit("likelihood logistic: no recipe has it, nor does this script")
        if o.n_importance > 1 and o.importance_gradient != "doubly":
            raise SystemExit(f"importance_gradient {o.importance_gradient}: no recipe has it, nor does this script")
        return networks.Vae(o) if o.arch == "vae" else networks.ConvVae(o)

    def batch(self):
        x = self.draw(self.rows(), 0)
        return (torch.bernoulli(x) if self.o.likelihood == "binarised" else x,)

    def latents(self, x):
        mean, log_var = (y.float()[:, None] for y in self.net.encode(x))
        noise = torch.randn(len(x), self.o.n_importance, mean.shape[2])
        return mean, log_var, mean + (0.5 * log_var).exp() * noise

    def log_likelihood(self, x, z):
        """[n, k] of x for latents [n, k, l]."""
        logits = self.net.decode(z.flatten(0, 1)).float().unflatten(0, z.shape[:2])
        target = flat(x)[:, None].expand_as(logits)
        return -F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)

    def loss(self, x):
        mean, log_var, z = self.latents(x)
        of_latent = 0.5 * (mean.square() + log_var.exp() - log_var - 1).mean((0, 1))
        return self.o.beta * of_latent.clamp_min(self.o.free_bits).sum() - self.log_likelihood(x, z).mean()

    def log_weight(self, x, mean, log_var, z):
        log_q = -0.5 * (((z - mean) * (-0.5 * log_var).exp()).square() + log_var).sum(-1)
        return self.log_likelihood(x, z) - 0.5 * z.square().sum(-1) - log_q

    def pick(self, x, mean, log_var, z):
        """n_backward of the latents with their weights, by systematic resampling (Kitagawa 1996)."""
        with torch.no_grad():
            weight, j = self.log_weight(x, mean, log_var, z).softmax(1), self.o.n_backward
            place = (torch.arange(j) + torch.rand(len(x), 1)) / j
            at = torch.searchsorted(weight.cumsum(1), place).clamp_max(weight.shape[1] - 1)
        return z.gather(1, at[..., None].expand(-1, -1, z.shape[2])), weight.gather(1, at)

    def importance_step(self, x):
        mean, log_var, z = self.latents(x)
        if self.o.n_backward:
            z, weight = self.pick(x, mean, log_var, z)
        cut = z.detach().requires_grad_()
        log_weight = self.log_weight(x, mean.detach(), log_var.detach(), cut)
        if self.o.n_backward:
            return -log_weight.mean(), z, cut, weight
        loss = math.log(z.shape[1]) - log_weight.logsumexp(1).mean()
        return loss, z, cut, log_weight.detach().softmax(1)

    def __call__(self):
        if self.o.n_importance == 1:
            return super().__call__()
        with self.autocast():
            loss, z, cut, weight = self.importance_step(*self.batch())
        loss.backward()
        z.backward(cut.grad * weight[..., None])
        self.updates[0]()
        return loss


class FsqStep(PictureStep):
    def network(self, o):
        return networks.Fsq(o.n_channels, o.levels, o.width, o.n_level, o.n_block)

    def batch(self):
        return (self.draw(self.rows(), -1),)

    def loss(self, x):
        error = self.net(x).float() - x
        return (error.abs() if self.o.loss == "l1" else error.square()).mean()


class FlowStep(PictureStep):
    network = staticmethod(networks.Flow)

    def __init__(self, o, **how):
        self.labels = torch.randint(0, max(o.n_classes, 1), (N_PICTURES,))
        self.texts = torch.randint(0, max(o.vocab_size, 1), (N_PICTURES, o.text_length))
        super().__init__(o, **how)

    def batch(self):
        o, rows, kept = self.o, self.rows(), self.kept()
        x = self.draw(rows, -1).permute(0, 2, 3, 1)
        t = torch.sigmoid(o.time_mean + o.time_std * torch.randn(len(x), 1, 1, 1))
        label = torch.where(kept, self.labels[rows], o.n_classes)
        text = torch.where(kept[:, None], self.texts[rows], o.vocab_size)
        return x, t, torch.lerp(torch.randn_like(x), x, t), label, text

    def loss(self, x, t, z, label, text):
        made = self.net(z, (1000 * t).round().flatten(), label, text).float()
        return ((made - x) / (1 - t).clamp_min(0.05)).square().mean()


class TokensStep(PictureStep):
    network = staticmethod(networks.Tokens)

    def __init__(self, o, **how):
        super().__init__(o, **how)
        if o.text_length:
            raise SystemExit("captions before codes: no recipe has them, nor does this script")
        self.codes = torch.randint(0, self.net.n_kinds, (N_PICTURES, self.net.n_codes))
        self.labels = torch.randint(0, max(o.n_classes, 1), (N_PICTURES,))

    def batch(self):
        rows, first = self.rows(), self.net.n_kinds + self.o.vocab_size + 1
        codes, label = self.codes[rows], torch.where(self.kept(), self.labels[rows], self.o.n_classes)
        return torch.cat([first + label[:, None], codes[:, :-1]], 1), codes

    def loss(self, sequence, codes):
        return F.cross_entropy(self.net(sequence).float().flatten(0, 1), codes.flatten())


class ClassifierStep(PictureStep):
    network = staticmethod(networks.Classifier)

    def __init__(self, o, **how):
        self.labels = torch.randint(0, o.n_classes, (N_PICTURES,))
        super().__init__(o, **how)

    def batch(self):
        rows = self.rows()
        return self.draw(rows, 0), self.labels[rows]

    def loss(self, x, label):
        return F.cross_entropy(self.net(x).float(), label)


class ContrastiveStep(PictureStep):
    network = staticmethod(networks.Contrastive)

    def __init__(self, o, **how):
        self.texts = torch.randint(0, o.vocab_size + 1, (N_PICTURES, o.text_length))
        super().__init__(o, **how)

    def batch(self):
        rows = self.rows()
        return self.draw(rows, 0), self.texts[rows]

    def loss(self, x, text):
        logits, own = self.net(x, text), torch.arange(len(x))
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


class GanStep(PictureStep):
    """Generator, then discriminator with R1 and R2. What is differentiated twice cannot be compiled."""

    parts = "batch", "generate", "duel"

    def network(self, o):
        if o.loss != "relativistic" or (o.conditional and o.pack > 1):
            raise SystemExit("a GAN of packs by class, or with another loss: no recipe has it, nor does this script")
        self.labels = torch.randint(0, max(o.n_classes, 1), (N_PICTURES,))
        return nn.ModuleDict({"generator": networks.Generator(o), "discriminator": networks.Discriminator(o)})

    def players(self):
        return [self.net["generator"], self.net["discriminator"]]

    def batch(self):
        rows = self.rows()
        return self.draw(rows, -1), self.labels[rows]

    def generate(self, label):
        z = torch.randn(self.o.batch_size, self.o.n_latent)
        return self.net["generator"](z, label).float()

    def duel(self, real, label):
        judge = self.net["discriminator"]
        real, made = (judge(x, label).float() for x in (real, self.generate(label)))
        return F.softplus(real - made).mean()

    def contest(self, real, made, label):
        """What the discriminator descends: the duel and the slopes at both kinds of pictures."""
        x = torch.cat([real, made]).requires_grad_()
        score = self.net["discriminator"](x, label.repeat(2)).float()
        slope, = torch.autograd.grad(score.sum(), x, create_graph=True)
        penalty = self.o.gamma / 2 * slope.float().square().sum() * self.o.pack / len(real)
        real, made = score.chunk(2)
        return F.softplus(made - real).mean() + penalty

    def __call__(self):
        real, label = self.batch()
        judge = self.net["discriminator"].requires_grad_(False)
        with self.autocast():
            loss = self.duel(real, label)
        loss.backward()
        self.updates[0]()
        judge.requires_grad_(True)
        with self.autocast():
            with torch.no_grad():
                made = self.generate(label)
            loss = self.contest(real, made, label)
        loss.backward()
        self.updates[1]()
        return loss


class DcganStep(GanStep):
    """Both players by the plain loss; the two kinds of pictures are judged apart, each with its own statistics."""

    def network(self, o):
        if o.loss != "nonsaturating" or o.gamma or o.pack > 1:
            raise SystemExit("a DCGAN of packs, with a penalty or another loss: this script lacks it")
        self.labels = torch.randint(0, max(o.n_classes, 1), (N_PICTURES,))
        return nn.ModuleDict({"generator": networks.DcganGenerator(o),
                              "discriminator": networks.DcganDiscriminator(o)})

    def duel(self, real, label):
        return F.softplus(-self.net["discriminator"](self.generate(label), label).float()).mean()

    def contest(self, real, made, label):
        real, made = (self.net["discriminator"](x, label).float() for x in (real, made))
        return F.softplus(-real).mean() + F.softplus(made).mean()


STEPS = {"gpt2": LanguageStep, "bert": MaskedStep, "vae": VaeStep, "conv_vae": VaeStep, "fsq": FsqStep,
         "flow": FlowStep, "tokens": TokensStep, "classifier": ClassifierStep, "contrastive": ContrastiveStep,
         "r3gan": GanStep, "dcgan": DcganStep}


def make(o, **how):
    """The step of settings `o`; how: bf16, compiled."""
    if o.arch not in STEPS:
        raise SystemExit(f"{o.arch}: this script has {', '.join(STEPS)}")
    if o.optimizer == "sgd" or o.grad_accum > 1 or o.flip:
        raise SystemExit("sgd, grad_accum, flip: no recipe has them, nor does this script")
    return STEPS[o.arch](o, **how)

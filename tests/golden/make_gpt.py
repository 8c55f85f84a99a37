#!/usr/bin/env python3
"""Makes the golden values that tests/golden/test_gpt.c compares with: tiny models of transformers' own classes, in fp32 on
one thread of the CPU. Needs torch, transformers, safetensors (made with torch 2.13.0, transformers 5.23.0); the versions
used are in the metadata of each values.safetensors.

    python3 tests/golden/make_gpt.py [FOLDER]         writes FOLDER/NAME/{config.json,model.safetensors,values.safetensors}

values.safetensors: ids [steps, batch, time + 1]; logits of the first batch [batch, time, vocab]; losses [steps] before each
step of AdamW (lr 1e-3, betas 0.9 0.95, eps 1e-8, decay 0.1 on tensors of two axes, gradient clipped at norm 1); grad.NAME of
the first step before clipping; norm.NAME: the norm of each tensor after the last step, biases of keys left out. Of BERT,
logits and losses are those of every third token, from the last one on.
"""
import os
import sys

import safetensors
import safetensors.torch
import torch
import transformers
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

STEPS, BATCH, TIME, VOCAB = 10, 4, 16, 61


def gpt2(activation):
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCAB, n_positions=TIME, n_embd=32, n_layer=2, n_head=2, activation_function=activation,
                   resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=None, eos_token_id=None))


def qwen3():
    return Qwen3ForCausalLM(
        Qwen3Config(vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=16, max_position_embeddings=TIME, tie_word_embeddings=True,
                    rope_parameters={"rope_type": "default", "rope_theta": 10000.0}))


def llama():
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2, max_position_embeddings=TIME, tie_word_embeddings=False, rms_norm_eps=1e-5,
                    rope_parameters={"rope_type": "default", "rope_theta": 500000.0}))


def bert():
    return BertForMaskedLM(
        BertConfig(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
                   max_position_embeddings=TIME, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
                   pad_token_id=None))


def fill(model, generator):
    """Values that let every part matter: biases that are not zero, gains that are not one."""
    for name, p in model.named_parameters():
        values = torch.randn(p.shape, generator=generator)
        with torch.no_grad():
            p.copy_(1 + 0.2 * values if p.ndim == 1 and name.endswith("weight") else 0.15 * values)


def loss_of(model, ids):
    asked = range(TIME - 1, -1, -3) if isinstance(model, BertForMaskedLM) else range(TIME)
    logits, targets = (x[:, list(asked)] for x in (model(ids[:, :-1]).logits, ids[:, 1:]))
    return torch.nn.functional.cross_entropy(logits.reshape(-1, VOCAB), targets.reshape(-1)), logits


def sequences(generator):
    """Something to learn: x -> 3 x + 7, one token in eight replaced by chance."""
    ids = torch.randint(0, VOCAB, (STEPS, BATCH, TIME + 1), generator=generator)
    chance = torch.rand(ids.shape, generator=generator) < 0.125
    for t in range(1, TIME + 1):
        ids[..., t] = torch.where(chance[..., t], ids[..., t], (3 * ids[..., t - 1] + 7) % VOCAB)
    return ids


def without_key_bias(name, p):
    """Softmax does not see a bias of keys: its gradient is rounding alone, of which Adam makes whole steps."""
    if name.endswith("self.key.bias"):
        return p[:0]
    if not name.endswith("c_attn.bias"):
        return p
    q, _, v = p.chunk(3)
    return torch.cat([q, v])


def train(model, ids, values):
    named = dict(model.named_parameters())
    matrices = [p for p in named.values() if p.ndim >= 2]
    vectors = [p for p in named.values() if p.ndim < 2]
    adamw = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                              lr=1e-3, betas=(0.9, 0.95), eps=1e-8, foreach=False, fused=False)
    losses = []
    for step in range(STEPS):
        adamw.zero_grad()
        loss, _ = loss_of(model, ids[step])
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            values |= {"grad." + name: p.grad.clone() for name, p in named.items()}
        torch.nn.utils.clip_grad_norm_(named.values(), 1.0, foreach=False)
        adamw.step()
    values["losses"] = torch.tensor(losses)
    values |= {"norm." + name: without_key_bias(name, p.detach()).norm() for name, p in named.items()}


def make(root, name, model, seed, with_training=True):
    generator = torch.Generator().manual_seed(seed)
    folder = os.path.join(root, name)
    fill(model, generator)
    model.eval()
    model.save_pretrained(folder)
    ids = sequences(generator)
    values = {"ids": ids.to(torch.int32), "logits": loss_of(model, ids[0])[1].detach().clone()}
    if with_training:
        train(model, ids, values)
    metadata = {"torch": torch.__version__, "transformers": transformers.__version__,
                "safetensors": safetensors.__version__, "made_by": "tests/golden/make_gpt.py"}
    safetensors.torch.save_file({k: v.contiguous() for k, v in values.items()},
                                os.path.join(folder, "values.safetensors"), metadata)
    for file in os.listdir(folder):
        os.chmod(os.path.join(folder, file), 0o644)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    make(root, "gpt2", gpt2("gelu_new"), 1)
    make(root, "gpt2-gelu", gpt2("gelu"), 2)
    make(root, "qwen3", qwen3(), 3)
    make(root, "llama", llama(), 4, with_training=False)
    make(root, "bert", bert(), 5)


main()

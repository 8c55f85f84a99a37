#!/usr/bin/env python3
"""Times GPT-2's 124M parameters reading a prompt and writing in figment and in llama.cpp: the same shape and types, in
turns, on the same cores, weights at random.

    python3 -m venv venv && venv/bin/pip install -r bench/llama_cpp/requirements.txt
    venv/bin/python bench/llama_cpp/speed.py [--dtype bfloat16] [--samples 1 4 16]

A prompt of 512 tokens, then 64 steps that write one token for each of n texts, which share the prompt's keys and values
in both. Keys and values have as many bits as weights; of 16 bits llama.cpp gets float16, its faster type. figment's times
hold drawing the tokens, llama.cpp's do not. Medians of rounds; beside them what reading as many bytes as a step reads takes, measured in the same run.
"""
import argparse
import ctypes
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import llama_cpp as llama

import gpt2_file

PROMPT, STEPS = 512, 64
CACHE_TYPES = {"float32": llama.GGML_TYPE_F32, "bfloat16": llama.GGML_TYPE_F16}


class LlamaCpp:
    def __init__(self, path, dtype, threads, n):
        llama.llama_log_set(self.silent, ctypes.c_void_p(0))
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(str(path).encode(), llama.llama_model_default_params())
        o = llama.llama_context_default_params()
        o.n_ctx, o.n_batch, o.n_ubatch, o.n_seq_max = gpt2_file.CONTEXT * n, PROMPT, PROMPT, n
        o.n_threads = o.n_threads_batch = threads
        o.type_k = o.type_v = CACHE_TYPES[dtype]
        o.kv_unified = n > 1
        self.context, self.n = llama.llama_init_from_model(self.model, o), n
        if not self.context:
            sys.exit("llama.cpp makes no context")
        self.memory = llama.llama_get_memory(self.context)
        self.batch = llama.llama_batch_init(PROMPT, 0, 1)

    @staticmethod
    @llama.llama_log_callback
    def silent(level, text, user):
        pass

    def close(self):
        llama.llama_batch_free(self.batch)
        llama.llama_free(self.context)
        llama.llama_model_free(self.model)

    def decode(self, rows):
        """rows: (position, text, whether its logits are wanted)."""
        b = self.batch
        b.n_tokens = len(rows)
        for i, (position, text, wanted) in enumerate(rows):
            b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0], b.logits[i] = 100 + i, position, 1, text, wanted
        start = time.perf_counter()
        if llama.llama_decode(self.context, b):
            sys.exit("llama.cpp fails to decode")
        llama.llama_synchronize(self.context)
        return time.perf_counter() - start

    def measure(self):
        """Tokens a second of the prompt, and written."""
        llama.llama_memory_clear(self.memory, True)
        prompt = self.decode([(i, 0, i == PROMPT - 1) for i in range(PROMPT)])
        for text in range(1, self.n):
            llama.llama_memory_seq_cp(self.memory, 0, text, -1, -1)
        steps = [self.decode([(PROMPT + i, text, True) for text in range(self.n)]) for i in range(STEPS)]
        return PROMPT / prompt, self.n * STEPS / sum(steps)


class Figment:
    def __init__(self, args, dtype, n):
        self.call = [args.figment, "bench", "--model", "gpt2-124M", "--part", "write", "--dtype", dtype, "--num_samples",
                     n, "--threads", args.threads, "--json"]
        self.shares = []

    def measure(self):
        done = subprocess.run(list(map(str, self.call)), capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr.strip())
        found = json.loads(done.stdout)["models"][0]
        self.shares.append(found["decode_share_of_bandwidth"])
        return found["prefill_tok_per_sec"], found["decode_tok_per_sec"]


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--dtype", choices=gpt2_file.TYPES, nargs="+", default=list(gpt2_file.TYPES))
    parser.add_argument("--samples", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--figment", default="build/figment")
    return parser.parse_args()


def compare(args, path, dtype, n):
    ours, theirs = Figment(args, dtype, n), LlamaCpp(path, dtype, args.threads, n)
    theirs.measure()  # warms up, as figment bench does
    rounds = [(ours.measure(), theirs.measure()) for _ in range(args.rounds)]
    theirs.close()
    for i, what in enumerate(("reads", "writes")):
        a, b = (statistics.median(r[side][i] for r in rounds) for side in (0, 1))
        share = f"   {100 * statistics.median(ours.shares):3.0f} % of memory speed" if i else ""
        print(f"{dtype:9} {n:3} texts {what:7} figment {a:8.1f}   llama.cpp {b:8.1f} tokens/s   {a / b:5.2f}{share}",
              flush=True)


def main():
    args = options()
    print(f"GPT-2 124M, a prompt of {PROMPT} tokens, {STEPS} steps; {args.threads} threads; "
          f"llama-cpp-python {llama.__version__}; medians of {args.rounds}")
    with tempfile.TemporaryDirectory() as folder:
        for dtype in args.dtype:
            path = pathlib.Path(folder, f"{dtype}.gguf")
            gpt2_file.write(path, dtype)
            for n in args.samples:
                compare(args, path, dtype, n)


main()

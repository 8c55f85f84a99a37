#!/usr/bin/env python3
"""Loads model folders that figment wrote in transformers, and compares logits. Not part of ./check; needs torch, transformers
and safetensors.

    python3 tests/golden/check_roundtrip.py build/tests/golden/test_gpt

runs that program with FIG_GOLDEN_WRITE set, upon which it writes each golden model again into that folder, with its own
logits beside it; then transformers loads what is there.
"""
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

TOLERANCE = 1e-4


def check(folder):
    masked = AutoConfig.from_pretrained(folder).model_type == "bert"
    kind = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    model, report = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    values = load_file(os.path.join(folder, "written.safetensors"))
    with torch.no_grad():
        logits = model.eval()(values["tokens"].long()).logits
    if masked:
        logits = logits.flip(1)[:, ::3]  # as test_gpt.c asks
    wanted = values["logits"][..., : logits.shape[-1]]
    difference = (logits - wanted).abs().max() / wanted.abs().max()
    clean = not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    good = clean and logits.shape == wanted.shape and difference <= TOLERANCE
    print(f"{'ok' if good else 'FAILED'}: {os.path.basename(folder)} as {type(model).__name__}: logits differ by {difference:.2g}"
          + ("" if clean else f"; {report}"))
    return good


def main():
    with tempfile.TemporaryDirectory() as root:
        subprocess.run([sys.argv[1]], check=True, env={**os.environ, "FIG_GOLDEN_WRITE": root})
        folders = sorted(os.listdir(root))
        good = [check(os.path.join(root, name)) for name in folders]
    sys.exit(0 if good and all(good) else 1)


main()

#!/usr/bin/env python3
"""Makes the golden values of test_tokenizer_golden.c: what Hugging Face's `tokenizers` answers.

usage: make_golden.py BUILD/tests/unit/test_tokenizer_golden     (from anywhere; needs the package `tokenizers`)

  text.txt      what everything is trained on (written here, from nothing but this script)
  hf_*.json     tokenizers that `tokenizers` trained and wrote: figment must read them
  spm.bin       a tokenizer in llama2.c's format, made from hf_spm.json
  fig_*.json    tokenizers that figment trained on text.txt, or read from spm.bin, and wrote: `tokenizers` must read them
  cases.jsonl   {"file", "text", "ids", "decoded"} with the ids of `tokenizers`, special tokens parsed, no bos added

The values at hand were made with tokenizers 0.23.3.
"""
import json
import os
import random
import struct
import subprocess
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def make_text():
    rng = random.Random(1)
    words = ("the of and to in that was his he it with is for as had you not be her on at by which have or from this "
             "him but all she they were my are me one their so an said them we who would been will no when there if "
             "more out up into do any your what has man could other than our some very time upon about may its only "
             "now like little then can should made did us such great before must two these see know over much down "
             "caf\u00e9 na\u00efve \u00fcber \u4e2d\u6587 \u65e5\u672c \u043c\u0438\u0440 \U0001f999 don't we'll it's I've").split()
    out = []
    for i in range(400):
        n = rng.randint(3, 12)
        line = " ".join(rng.choice(words[: 8 + rng.randint(0, len(words) - 8)]) for _ in range(n))
        out.append(line.capitalize() + rng.choice([".", "!", "?", ", 1234;", " -- 56", "...", " (so)"]))
        out.append(rng.choice(["\n", "\n", "\n\n", "  ", "\t"]))
    return "".join(out)


def cases(text):
    rng = random.Random(2)
    found = ["", " ", "  ", "\n", "a", "The cat's 12345 caf\u00e9s!", " leading", "trailing ", "a  b   c    d", "\n\n\n  x",
             "don't DON'T we'll WE'LL", "<s>one</s> two<|end|>three", "<|end|><|end|> <unk>", "\u00a0\u2003\u3000x\u0085y\u180e",
             "e\u0301 \u4e2d\u6587\u4e2d\u6587 \U0001f999\U0001f999 \u043c\u0438\u0440", "1 12 123 1234 \u00bd\u2167\u0663", "\x00\x01\x7f\r\n\r\n",
             "aaaaaaaaaaaaaaaa", "...---...!!!???", "\u0130stanbul STRASSE \u00df \ufb01",
             "cafe\u0301 A\u030a \u212b \u1112\u1161\u11ab\uac00\u11a8 q\u0307\u0323 \u0958 \u2adc <|end|>e\u0301", "\u0301x\u0327\u0301"]
    for _ in range(25):
        at = rng.randrange(len(text) - 80)
        found.append(text[at: at + rng.randint(1, 80)])
    return found


def byte_level(pre, files, name, specials, normalizer=None):
    t = Tokenizer(models.BPE())
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    t.train([os.path.join(HERE, "text.txt")], trainers.BpeTrainer(
        vocab_size=400, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.save(os.path.join(HERE, name))
    files.append(name)


def train_hf():
    files = []
    byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), files, "hf_gpt2.json", ["<|end|>"])
    byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), files, "hf_prefix.json", ["<s>", "</s>"])
    byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), files, "hf_nfc.json", ["<|end|>"], normalizers.NFC())
    split = pre_tokenizers.Split(Regex(LLAMA3), "isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    byte_level(pre_tokenizers.Sequence([split, bytes_only]), files, "hf_split.json", ["<|end|>"])

    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    specials = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
    # Whole lines would give pieces of several words; cut at spaces only while training, as SentencePiece does.
    t.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    t.train([os.path.join(HERE, "text.txt")], trainers.BpeTrainer(
        vocab_size=420, special_tokens=specials, limit_alphabet=60, show_progress=False))
    t.pre_tokenizer = None
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    data = json.loads(t.to_str())
    data["added_tokens"] = data["added_tokens"][:3]  # the bytes are no special tokens
    with open(os.path.join(HERE, "hf_spm.json"), "w") as f:
        json.dump(data, f, ensure_ascii=False, indent=1)
    files.append("hf_spm.json")
    return files, data["model"]


def write_llama2c(model):
    """Scores as llama2.c has them: characters far below, merges by rank."""
    rank = {}
    for i, (a, b) in enumerate(model["merges"]):
        rank.setdefault(a + b, -float(i))
    out = struct.pack("<i", max(len(token.encode()) for token in model["vocab"]))
    for token, i in sorted(model["vocab"].items(), key=lambda item: item[1]):
        text = ("\n%s\n" % token if i in (1, 2) else token).replace("\u2581", " ").encode()
        out += struct.pack("<fi", 0.0 if i < 259 else rank.get(token, -1000.0 - i), len(text)) + text
    with open(os.path.join(HERE, "spm.bin"), "wb") as f:
        f.write(out)


def main():
    text = make_text()
    with open(os.path.join(HERE, "text.txt"), "w", newline="") as f:
        f.write(text)
    files, model = train_hf()
    write_llama2c(model)
    subprocess.run([os.path.abspath(sys.argv[1])], env=dict(os.environ, FIG_GOLDEN_WRITE="1"), check=True,
                   cwd=os.path.join(HERE, "..", "..", ".."))
    files += ["fig_byte.json", "fig_char.json", "fig_bpe.json", "fig_spm.json"]
    with open(os.path.join(HERE, "cases.jsonl"), "w") as f:
        for name in files:
            t = Tokenizer.from_file(os.path.join(HERE, name))
            known = set(t.get_vocab())
            for case in cases(text):
                if name == "fig_char.json" and not set(case) <= known:
                    continue  # there figment says what is unknown, and `tokenizers` drops it
                ids = t.encode(case, add_special_tokens=False).ids
                decoded = t.decode(ids, skip_special_tokens=False)
                if "spm" in name and "<s>" in case:
                    decoded = None  # llama2.c, and figment, drop the space behind every <s>, `tokenizers` only the first
                f.write(json.dumps({"file": name, "text": case, "ids": ids, "decoded": decoded}) + "\n")
    print("made with tokenizers", tokenizers.__version__)


if __name__ == "__main__":
    main()

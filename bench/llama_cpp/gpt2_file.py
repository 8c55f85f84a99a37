"""A GGUF file of GPT-2's shape with random weights, for llama.cpp."""
import gguf
import numpy as np

N_LAYER, N_HEAD, WIDTH, CONTEXT, VOCAB = 12, 12, 768, 1024, 50257
TYPES = {"float32": gguf.GGMLQuantizationType.F32, "bfloat16": gguf.GGMLQuantizationType.BF16}


def tensors():
    """Names, shapes and whether it is a matrix; the table of tokens gives the logits too."""
    yield "token_embd.weight", (VOCAB, WIDTH), True
    yield "position_embd.weight", (CONTEXT, WIDTH), False
    for i in range(N_LAYER):
        for name, out, n_in in (("attn_qkv", 3 * WIDTH, WIDTH), ("attn_output", WIDTH, WIDTH),
                                ("ffn_up", 4 * WIDTH, WIDTH), ("ffn_down", WIDTH, 4 * WIDTH)):
            yield f"blk.{i}.{name}.weight", (out, n_in), True
            yield f"blk.{i}.{name}.bias", (out,), False
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{i}.{name}.weight", (WIDTH,), False
            yield f"blk.{i}.{name}.bias", (WIDTH,), False
    yield "output_norm.weight", (WIDTH,), False
    yield "output_norm.bias", (WIDTH,), False


def write(path, dtype):
    """Matrices in dtype, vectors in fp32. The tokens are words without meaning."""
    to, kind, rng = gguf.GGUFWriter(path, "gpt2"), TYPES[dtype], np.random.default_rng(1)
    to.add_context_length(CONTEXT)
    to.add_embedding_length(WIDTH)
    to.add_feed_forward_length(4 * WIDTH)
    to.add_block_count(N_LAYER)
    to.add_head_count(N_HEAD)
    to.add_layer_norm_eps(1e-5)
    to.add_tokenizer_model("gpt2")
    to.add_tokenizer_pre("gpt-2")
    to.add_token_list([f"t{i}" for i in range(VOCAB)])
    to.add_token_types([gguf.TokenType.NORMAL] * VOCAB)
    to.add_token_merges(["t 1"])
    for name, shape, is_matrix in tensors():
        x = (0.02 * rng.standard_normal(shape)).astype(np.float32)
        if is_matrix:
            to.add_tensor(name, gguf.quants.quantize(x, kind), raw_dtype=kind)
        else:
            to.add_tensor(name, x)
    to.write_header_to_file()
    to.write_kv_data_to_file()
    to.write_tensors_to_file()
    to.close()

/* nn/transformer.c: the block that all transformers here are made of.
 *
 * Letters: B rows, T time, C width, H heads, K key-value heads, D head width. */
#include <fig/nn.h>

fig_tensor *fig_block_norm(fig_graph *g, const char *name, fig_tensor *x, const fig_block *b) {
    return b->norm == FIG_NORM_RMS ? fig_rms_norm(g, name, x, b->norm_eps)
                                   : fig_layer_norm(g, name, x, b->bias, b->norm_eps);
}

/* Dropout where GPT-2 has it: its own scope, so that each has its own randomness. */
static fig_tensor *drop(fig_graph *g, const fig_block *b, const char *name, fig_tensor *x) {
    fig_enter(g, "%s", name);
    x = fig_dropout(g, x, b->dropout);
    fig_leave(g);
    return x;
}

static fig_tensor *heads(fig_graph *g, const fig_block *b, fig_tensor *x, size_t n) { /* [B,T,H*D] -> [B,T,H,D] */
    return fig_reshape(g, x, 4, (int64_t[]){0, 0, (int64_t)n, (int64_t)b->head_dim});
}

static fig_tensor *attention(fig_graph *g, fig_tensor *x, const fig_block *b) {
    size_t width = fig_dim(x, -1), q_width = b->n_head * b->head_dim, kv_width = b->n_kv_head * b->head_dim;
    fig_tensor *qkv[3];
    fig_enter(g, "attn");
    fig_tensor *all = fig_linear(g, "qkv", x, q_width + 2 * kv_width, b->bias, b->std);
    fig_split(g, all, -1, 3, (size_t[]){q_width, kv_width, kv_width}, qkv);
    fig_tensor *q = heads(g, b, qkv[0], b->n_head), *k = heads(g, b, qkv[1], b->n_kv_head),
               *v = heads(g, b, qkv[2], b->n_kv_head);
    if (b->qk_norm) {
        q = fig_rms_norm(g, "q_norm", q, b->norm_eps);
        k = fig_rms_norm(g, "k_norm", k, b->norm_eps);
    }
    if (b->cos) {
        q = fig_rope(g, q, b->cos, b->sin, b->rope_interleaved);
        k = fig_rope(g, k, b->cos, b->sin, b->rope_interleaved);
    }
    fig_tensor *y = fig_attention(g, q, k, v, &b->attention);
    y = fig_reshape(g, y, 3, (int64_t[]){0, 0, (int64_t)q_width});
    y = fig_linear(g, "proj", y, width, b->bias, b->residual_std);
    fig_leave(g);
    return drop(g, b, "attn_drop", y);
}

static fig_tensor *mlp(fig_graph *g, fig_tensor *x, const fig_block *b) {
    size_t c = fig_dim(x, -1), width = b->ffn_dim;
    fig_tensor *h[2];
    fig_enter(g, "mlp");
    if (b->mlp == FIG_MLP_SWIGLU) {
        fig_split(g, fig_linear(g, "gate_up", x, 2 * width, b->bias, b->std), -1, 2, (size_t[]){width, width}, h);
        h[0] = fig_swiglu(g, h[0], h[1]);
    } else {
        h[0] = fig_linear(g, "up", x, width, b->bias, b->std);
        h[0] = b->mlp == FIG_MLP_GELU        ? fig_gelu(g, h[0])
               : b->mlp == FIG_MLP_GELU_TANH ? fig_gelu_tanh(g, h[0])
                                             : fig_relu2(g, h[0]);
    }
    fig_tensor *y = fig_linear(g, "down", h[0], c, b->bias, b->residual_std);
    fig_leave(g);
    return drop(g, b, "mlp_drop", y);
}

fig_tensor *fig_transformer_block(fig_graph *g, fig_tensor *x, const fig_block *b) {
    if (!x) return NULL;
    if (b->post_norm) {
        x = fig_block_norm(g, "norm1", fig_add(g, x, attention(g, x, b)), b);
        return fig_block_norm(g, "norm2", fig_add(g, x, mlp(g, x, b)), b);
    }
    x = fig_add(g, x, attention(g, fig_block_norm(g, "norm1", x, b), b));
    return fig_add(g, x, mlp(g, fig_block_norm(g, "norm2", x, b), b));
}

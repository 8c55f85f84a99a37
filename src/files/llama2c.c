/* files/llama2c.c: model files of karpathy/llama2.c. The layout is that of its export.py: legacy_export,
 * version1_export. */
#include "files/llama2c.h"
#include <stdio.h>
#include <stdlib.h>

#define MAGIC 0x616b3432u /* "ak42" */
#define MAX_EXTENT (1 << 24)
#define MAX_LAYERS 4096
#define V1_HEADER_BYTES 256

typedef struct llama2c_header {
    int64_t dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len;
    bool shared; /* the output layer is the token embedding */
    int version;
    size_t bytes; /* in front of the weights */
} llama2c_header;

/* One kind of tensor, for all layers in a row or once. Extents: [rows, cols], rows alone when cols is 0. */
typedef struct section {
    const char *name; /* behind "model.layers.N." where there is one per layer; NULL: passed over */
    bool per_layer;
    int64_t rows, cols;
} section;

static int32_t read_i32(const uint8_t *p) {
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

/* --- header --------------------------------------------------------------------------------------------------*/

static bool has_magic(const uint8_t *data, size_t size) { return size >= 8 && (uint32_t)read_i32(data) == MAGIC; }

/* Sizes that make sense together. */
static bool plausible(const llama2c_header *h) {
    const int64_t extents[] = {h->dim, h->hidden_dim, h->n_heads, h->n_kv_heads, h->vocab_size, h->seq_len};
    for (size_t i = 0; i < FIG_COUNT(extents); i++)
        if (extents[i] < 1 || extents[i] > MAX_EXTENT) return false;
    return h->n_layers >= 1 && h->n_layers <= MAX_LAYERS && h->dim % h->n_heads == 0 &&
           h->n_heads % h->n_kv_heads == 0 && h->dim / h->n_heads % 2 == 0;
}

static bool read_header(const uint8_t *data, size_t size, llama2c_header *h) {
    bool v1 = has_magic(data, size);
    h->version = v1 ? (int)read_i32(data + 4) : 0;
    h->bytes = v1 ? V1_HEADER_BYTES : 28;
    if (size < h->bytes) return false;
    const uint8_t *p = data + (v1 ? 8 : 0);
    int64_t *fields[] = {&h->dim,        &h->hidden_dim, &h->n_layers, &h->n_heads,
                         &h->n_kv_heads, &h->vocab_size, &h->seq_len};
    for (size_t i = 0; i < FIG_COUNT(fields); i++) *fields[i] = read_i32(p + 4 * i);
    /* The legacy format tells an output layer of its own by a negative vocabulary. */
    h->shared = v1 ? p[28] != 0 : h->vocab_size > 0;
    if (!v1) h->vocab_size = llabs(h->vocab_size);
    return plausible(h);
}

/* --- layout --------------------------------------------------------------------------------------------------*/

enum { EMBED, NORM1, Q, K, V, O, NORM2, GATE, DOWN, UP, NORM, FREQ, HEAD, N_SECTIONS };

/* The order of the sections in a file. FREQ: tables of cosines and sines that the legacy format has and nobody needs.
 */
static const int order_legacy[] = {EMBED, NORM1, Q, K, V, O, NORM2, GATE, DOWN, UP, NORM, FREQ, HEAD};
static const int order_v1[] = {NORM1, NORM2, NORM, EMBED, Q, K, V, O, GATE, DOWN, UP, HEAD};

static section section_of(const llama2c_header *h, int which) {
    int64_t kv = h->dim / h->n_heads * h->n_kv_heads;
    const section sections[N_SECTIONS] = {
        [EMBED] = {"model.embed_tokens.weight", false, h->vocab_size, h->dim},
        [NORM1] = {"input_layernorm.weight", true, h->dim, 0},
        [Q] = {"self_attn.q_proj.weight", true, h->dim, h->dim},
        [K] = {"self_attn.k_proj.weight", true, kv, h->dim},
        [V] = {"self_attn.v_proj.weight", true, kv, h->dim},
        [O] = {"self_attn.o_proj.weight", true, h->dim, h->dim},
        [NORM2] = {"post_attention_layernorm.weight", true, h->dim, 0},
        [GATE] = {"mlp.gate_proj.weight", true, h->hidden_dim, h->dim},
        [DOWN] = {"mlp.down_proj.weight", true, h->dim, h->hidden_dim},
        [UP] = {"mlp.up_proj.weight", true, h->hidden_dim, h->dim},
        [NORM] = {"model.norm.weight", false, h->dim, 0},
        [FREQ] = {NULL, false, h->seq_len, h->dim / h->n_heads},
        [HEAD] = {h->shared ? NULL : "lm_head.weight", false, h->shared ? 0 : h->vocab_size, h->dim},
    };
    return sections[which];
}

static const int *order_of(const llama2c_header *h, size_t *n) {
    *n = h->version ? FIG_COUNT(order_v1) : FIG_COUNT(order_legacy);
    return h->version ? order_v1 : order_legacy;
}

static size_t section_numel(const section *s) { return (size_t)(s->rows * FIG_MAX(s->cols, 1)); }

/* Bytes of a whole file; the limits of plausible keep it far from overflow. */
static uint64_t file_bytes(const llama2c_header *h) {
    uint64_t n = 0;
    size_t n_sections;
    const int *order = order_of(h, &n_sections);
    for (size_t i = 0; i < n_sections; i++) {
        section s = section_of(h, order[i]);
        n += section_numel(&s) * (uint64_t)(s.per_layer ? h->n_layers : 1);
    }
    return h->bytes + 4 * n;
}

/* --- opening -------------------------------------------------------------------------------------------------*/

static fig_status add_section(fig__weights *w, const char *path, const section *s, int64_t n_layers,
                              const uint8_t **at) {
    size_t bytes = 4 * section_numel(s);
    int64_t n = s->per_layer ? n_layers : 1;
    for (int64_t layer = 0; layer < n; layer++, *at += bytes) {
        char name[96];
        if (!s->name) continue;
        if (s->per_layer)
            snprintf(name, sizeof name, "model.layers.%lld.%s", (long long)layer, s->name);
        else
            snprintf(name, sizeof name, "%s", s->name);
        fig__weight t = {.name = name,
                         .dtype = FIG_F32,
                         .dtype_name = "F32",
                         .ndim = s->cols ? 2 : 1,
                         .shape = {(size_t)s->rows, (size_t)s->cols},
                         .data = *at,
                         .bytes = bytes,
                         .file = path};
        FIG_TRY(fig__weights_add(w, &t));
    }
    return FIG_OK;
}

static fig_status add_all(fig__weights *w, const char *path, const llama2c_header *h, const uint8_t *at) {
    size_t n;
    const int *order = order_of(h, &n);
    for (size_t i = 0; i < n; i++) {
        section s = section_of(h, order[i]);
        FIG_TRY(add_section(w, path, &s, h->n_layers, &at));
    }
    return FIG_OK;
}

static fig_status check_file(fig_context *ctx, const char *path, const fig__mapping *file, llama2c_header *h) {
    bool good = read_header(file->data, file->size, h);
    FIG_CHECK(ctx, h->version != 2, FIG_ERR_UNSUPPORTED,
              "%s: llama2.c's int8 format (version 2) is not supported; export it with --version 0 or 1", path);
    FIG_CHECK(ctx, h->version <= 1 && h->version >= 0, FIG_ERR_UNSUPPORTED,
              "%s: version %d of llama2.c's format is not known", path, h->version);
    FIG_CHECK(ctx, good, FIG_ERR_FORMAT, "%s: its header is not that of a llama2.c model", path);
    FIG_CHECK(ctx, file->size == file_bytes(h), FIG_ERR_FORMAT,
              "%s: has %zu bytes where its header asks for %llu; it is %s", path, file->size,
              (unsigned long long)file_bytes(h),
              file->size < file_bytes(h) ? "cut short" : "no llama2.c model, or damaged");
    return FIG_OK;
}

/* The norm's epsilon and the base of RoPE are constants in llama2.c. */
static fig_status make_settings(fig_context *ctx, const llama2c_header *h, fig__json **out) {
    fig__buf text;
    fig__buf_init(&text, ctx, 4096);
    fig_status status = fig__buf_printf(
        &text,
        "{\"n_layer\": %lld, \"n_head\": %lld, \"n_kv_head\": %lld, \"n_embd\": %lld, \"head_dim\": %lld, \"ffn_dim\": "
        "%lld, "
        "\"block_size\": %lld, \"vocab_size\": %lld, \"norm\": \"rmsnorm\", \"norm_eps\": 1e-5, \"mlp\": \"swiglu\", "
        "\"pos\": \"rope\", \"rope_theta\": 10000.0, \"rope_interleaved\": true, \"qk_norm\": false, \"bias\": false, "
        "\"tied\": %s, \"window\": 0, \"softcap\": 0.0}",
        (long long)h->n_layers, (long long)h->n_heads, (long long)h->n_kv_heads, (long long)h->dim,
        (long long)(h->dim / h->n_heads), (long long)h->hidden_dim, (long long)h->seq_len, (long long)h->vocab_size,
        h->shared ? "true" : "false");
    if (!status) status = fig__json_parse(ctx, "settings", text.data, text.len, out);
    fig__buf_deinit(&text);
    return status;
}

static fig_status open_into(fig_context *ctx, const char *path, fig__weights *w, fig__json **settings) {
    llama2c_header h = {0};
    fig__mapping file;
    const char *own_path;
    FIG_TRY(fig__weights_map(w, path, &own_path, &file));
    FIG_TRY(check_file(ctx, own_path, &file, &h));
    FIG_TRY(add_all(w, own_path, &h, file.data + h.bytes));
    return make_settings(ctx, &h, settings);
}

fig_status fig__llama2c_open(fig_context *ctx, const char *path, fig__weights **out, fig__json **settings) {
    *settings = NULL;
    FIG_TRY(fig__weights_new(ctx, out));
    fig_status status = open_into(ctx, path, *out, settings);
    if (!status) return FIG_OK;
    fig__weights_close(*out);
    *out = NULL;
    return status;
}

bool fig__llama2c_probe(const uint8_t *data, size_t size) {
    llama2c_header h = {0};
    return has_magic(data, size) || (read_header(data, size, &h) && size == file_bytes(&h));
}

/* llama2.c model files: both layouts give the same named tensors; what is not one of them is refused with a reason. */
#include "files/llama2c.h"
#include "check.h"

enum { DIM = 8, HIDDEN = 12, LAYERS = 2, HEADS = 4, KV_HEADS = 2, VOCAB = 5, SEQ = 3, KV_DIM = DIM / HEADS * KV_HEADS };

typedef struct model_file {
    fig__buf bytes;
} model_file;

static void add_i32(model_file *f, int32_t v) { fig__buf_add(&f->bytes, &v, 4); }

/* n numbers; the first tells which section of the legacy layout and which layer it is, the rest count. */
static void add_floats(model_file *f, int section, int layer, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float x = i ? (float)i : (float)(100 * section + layer);
        fig__buf_add(&f->bytes, &x, 4);
    }
}

static size_t section_size(int section) {
    static const size_t sizes[] = {
        VOCAB * DIM,  DIM,          DIM * DIM,    KV_DIM * DIM, KV_DIM * DIM,      DIM * DIM,  DIM,
        HIDDEN * DIM, DIM * HIDDEN, HIDDEN * DIM, DIM,          SEQ * DIM / HEADS, VOCAB * DIM};
    return sizes[section];
}

static bool per_layer(int section) { return section >= 1 && section <= 9; }

static void add_sections(model_file *f, const int *order, size_t n) {
    for (size_t i = 0; i < n; i++)
        for (int layer = 0; layer < (per_layer(order[i]) ? LAYERS : 1); layer++)
            add_floats(f, order[i], layer, section_size(order[i]));
}

static void make_legacy(fig_context *ctx, model_file *f, bool shared) {
    static const int order[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const int32_t header[] = {DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, shared ? VOCAB : -VOCAB, SEQ};
    fig__buf_init(&f->bytes, ctx, 1 << 20);
    for (size_t i = 0; i < FIG_COUNT(header); i++) add_i32(f, header[i]);
    add_sections(f, order, shared ? 12 : 13);
}

static void make_version(fig_context *ctx, model_file *f, int version, bool shared) {
    static const int order[] = {1, 6, 10, 0, 2, 3, 4, 5, 7, 8, 9, 12};
    const int32_t header[] = {0x616b3432, version, DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB, SEQ};
    fig__buf_init(&f->bytes, ctx, 1 << 20);
    for (size_t i = 0; i < FIG_COUNT(header); i++) add_i32(f, header[i]);
    fig__buf_addc(&f->bytes, shared);
    while (f->bytes.len < 256) fig__buf_addc(&f->bytes, 0);
    add_sections(f, order, shared ? 11 : 12);
}

/* Writes the file and opens it. */
static fig_status open_file(fig_context *ctx, model_file *f, fig__weights **w, fig__json **settings) {
    char *path = check_path(check_tmpdir(), "m.bin");
    EXPECT_OK(ctx, fig__file_write(ctx, path, f->bytes.data, f->bytes.len));
    fig__buf_deinit(&f->bytes);
    return fig__llama2c_open(ctx, path, w, settings);
}

static void expect_tensor(const fig__weights *w, const char *name, float first, size_t rows, size_t cols) {
    const fig__weight *t;
    if (!EXPECT(!fig__weights_need(w, name, cols ? 2 : 1, (size_t[]){rows, cols}, &t))) return;
    EXPECT_NEAR(((const float *)t->data)[0], first, 0);
    EXPECT_NEAR(((const float *)t->data)[t->numel - 1], t->numel - 1, 0);
}

static void expect_model(const fig__weights *w, bool shared) {
    EXPECT_EQ_I(fig__weights_count(w), 2 + 9 * LAYERS + !shared);
    expect_tensor(w, "model.embed_tokens.weight", 0, VOCAB, DIM);
    expect_tensor(w, "model.layers.1.input_layernorm.weight", 101, DIM, 0);
    expect_tensor(w, "model.layers.0.self_attn.q_proj.weight", 200, DIM, DIM);
    expect_tensor(w, "model.layers.1.self_attn.k_proj.weight", 301, KV_DIM, DIM);
    expect_tensor(w, "model.layers.1.self_attn.v_proj.weight", 401, KV_DIM, DIM);
    expect_tensor(w, "model.layers.0.self_attn.o_proj.weight", 500, DIM, DIM);
    expect_tensor(w, "model.layers.1.post_attention_layernorm.weight", 601, DIM, 0);
    expect_tensor(w, "model.layers.1.mlp.gate_proj.weight", 701, HIDDEN, DIM);
    expect_tensor(w, "model.layers.0.mlp.down_proj.weight", 800, DIM, HIDDEN);
    expect_tensor(w, "model.layers.1.mlp.up_proj.weight", 901, HIDDEN, DIM);
    expect_tensor(w, "model.norm.weight", 1000, DIM, 0);
    if (!shared) expect_tensor(w, "lm_head.weight", 1200, VOCAB, DIM);
}

static void check_layout(void (*make)(fig_context *, model_file *, bool), bool shared) {
    fig_context *ctx = check_context();
    model_file f;
    fig__weights *w;
    fig__json *s;
    make(ctx, &f, shared);
    EXPECT(fig__llama2c_probe((const uint8_t *)f.bytes.data, f.bytes.len));
    if (!EXPECT_OK(ctx, open_file(ctx, &f, &w, &s))) return;
    expect_model(w, shared);
    EXPECT_EQ_I(fig__json_int(fig__json_get(s, "n_kv_head"), 0), KV_HEADS);
    EXPECT_EQ_I(fig__json_int(fig__json_get(s, "vocab_size"), 0), VOCAB);
    EXPECT_EQ_I(fig__json_int(fig__json_get(s, "block_size"), 0), SEQ);
    EXPECT_EQ_I(fig__json_int(fig__json_get(s, "head_dim"), 0), DIM / HEADS);
    EXPECT(fig__json_bool(fig__json_get(s, "rope_interleaved"), false));
    EXPECT_EQ_I(fig__json_bool(fig__json_get(s, "tied"), !shared), shared);
    fig__json_free(s);
    fig__weights_close(w);
}

static void make_v1(fig_context *ctx, model_file *f, bool shared) { make_version(ctx, f, 1, shared); }

TEST(reads_the_legacy_layout) {
    check_layout(make_legacy, true);
    check_layout(make_legacy, false);
}

TEST(reads_version_1) {
    check_layout(make_v1, true);
    check_layout(make_v1, false);
}

static void expect_refused(fig_context *ctx, model_file *f, fig_status code, const char *says) {
    fig__weights *w;
    fig__json *s;
    EXPECT_EQ_I(open_file(ctx, f, &w, &s), code);
    if (!EXPECT(strstr(fig_error(ctx), says))) fprintf(stderr, "    said: %s\n", fig_error(ctx));
    EXPECT(!w && !s);
}

TEST(refuses_other_versions) {
    fig_context *ctx = check_context();
    model_file f;
    make_version(ctx, &f, 2, true);
    expect_refused(ctx, &f, FIG_ERR_UNSUPPORTED, "int8 format (version 2) is not supported");
    make_version(ctx, &f, 9, true);
    expect_refused(ctx, &f, FIG_ERR_UNSUPPORTED, "version 9");
    make_version(ctx, &f, -1, true);
    expect_refused(ctx, &f, FIG_ERR_UNSUPPORTED, "version -1");
}

TEST(refuses_damaged_files) {
    fig_context *ctx = check_context();
    model_file f;
    make_legacy(ctx, &f, true);
    f.bytes.len -= 4;
    EXPECT(!fig__llama2c_probe((const uint8_t *)f.bytes.data, f.bytes.len));
    expect_refused(ctx, &f, FIG_ERR_FORMAT, "cut short");
    make_legacy(ctx, &f, true);
    fig__buf_addc(&f.bytes, 0);
    expect_refused(ctx, &f, FIG_ERR_FORMAT, "damaged");
    make_legacy(ctx, &f, true);
    f.bytes.len = 27;
    expect_refused(ctx, &f, FIG_ERR_FORMAT, "its header is not that of a llama2.c model");
    make_version(ctx, &f, 1, true);
    f.bytes.len = 255;
    expect_refused(ctx, &f, FIG_ERR_FORMAT, "its header is not that of a llama2.c model");
}

/* Each field in turn gets values that make no sense. */
TEST(refuses_senseless_headers) {
    fig_context *ctx = check_context();
    const int32_t wrong[] = {0, INT32_MIN, INT32_MAX};
    for (int field = 0; field < 7; field++)
        for (size_t i = 0; i < FIG_COUNT(wrong); i++) {
            model_file f;
            make_legacy(ctx, &f, true);
            memcpy(f.bytes.data + 4 * field, &wrong[i], 4);
            expect_refused(ctx, &f, FIG_ERR_FORMAT, "its header is not that of a llama2.c model");
        }
}

TEST(reads_stories260K) {
    const char *path = check_shared("data/tiny-models/stories260K.bin");
    if (!path) SKIP("no shared data");
    fig_context *ctx = check_context();
    fig__weights *w;
    fig__json *s;
    if (!EXPECT_OK(ctx, fig__llama2c_open(ctx, path, &w, &s))) return;
    EXPECT_EQ_I(fig__weights_count(w), 2 + 9 * 5);
    for (size_t i = 0; i < fig__weights_count(w); i++)
        EXPECT_OK(ctx, fig__weights_check_finite(w, fig__weights_at(w, i)));
    fig__json_free(s);
    fig__weights_close(w);
}

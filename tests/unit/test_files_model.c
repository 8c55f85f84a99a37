/* Model folders that are damaged: each is refused in one line that names the file and what is wrong with it. The whole
 * one is tests/golden/qwen3. */
#include <fig/model.h>
#include "files/safetensors.h"
#include "check.h"

typedef struct damage {
    const char *leave_out; /* a tensor */
    const char *spoil;     /* a tensor that gets a NaN */
    const char *narrow;    /* a tensor that loses its last row */
    size_t cut;            /* bytes at the end of the file */
    const char *from, *to; /* in config.json */
} damage;

static const char *golden(const char *file) { return check_path("tests/golden/qwen3", file); }

static fig_status copy_tensor(fig__st_writer *w, const fig__weight *t, const damage *d) {
    static const uint32_t nan_bits = 0x7fc00000u;
    size_t bytes = t->bytes;
    if (d->leave_out && !strcmp(t->name, d->leave_out)) return FIG_OK;
    if (d->narrow && !strcmp(t->name, d->narrow)) bytes -= bytes / t->shape[0];
    bool spoil = d->spoil && !strcmp(t->name, d->spoil);
    FIG_TRY(fig__st_writer_data(w, t->data, bytes - (spoil ? 4 : 0)));
    return spoil ? fig__st_writer_data(w, &nan_bits, 4) : FIG_OK;
}

static fig_status copy_weights(fig_context *ctx, const fig__weights *r, const char *path, const damage *d) {
    fig__st_writer *w;
    FIG_TRY(fig__st_writer_new(ctx, path, NULL, &w));
    for (size_t i = 0; i < fig__weights_count(r); i++) {
        fig__weight t = *fig__weights_at(r, i);
        if (d->leave_out && !strcmp(t.name, d->leave_out)) continue;
        if (d->narrow && !strcmp(t.name, d->narrow)) t.shape[0]--;
        EXPECT_OK(ctx, fig__st_writer_declare(w, t.name, t.dtype, t.ndim, t.shape));
    }
    for (size_t i = 0; i < fig__weights_count(r); i++) EXPECT_OK(ctx, copy_tensor(w, fig__weights_at(r, i), d));
    return fig__st_writer_commit(w);
}

static void copy_config(fig_context *ctx, const char *path, const damage *d) {
    fig__buf text, out;
    EXPECT_OK(ctx, fig__file_read(ctx, golden("config.json"), 1 << 16, &text));
    fig__buf_init(&out, ctx, 1 << 16);
    const char *at = d->from ? strstr(text.data, d->from) : NULL;
    EXPECT(at || !d->from);
    size_t front = at ? (size_t)(at - text.data) : text.len;
    fig__buf_add(&out, text.data, front);
    if (at) fig__buf_adds(&out, d->to);
    if (at) fig__buf_adds(&out, at + strlen(d->from));
    EXPECT_OK(ctx, fig__file_write(ctx, path, out.data, out.len));
    fig__buf_deinit(&text);
    fig__buf_deinit(&out);
}

/* A damaged copy of the model, and what loading it gives. */
static fig_status load_damaged(fig_context *ctx, const damage *d) {
    char *dir = check_tmpdir(), *path = check_path(dir, "model.safetensors");
    fig__weights *r;
    fig_model *m = NULL;
    fig_model_options o = {.dtype = FIG_F32, .inference = true};
    if (!EXPECT_OK(ctx, fig__st_open(ctx, golden("model.safetensors"), &r))) return FIG_ERR_IO;
    EXPECT_OK(ctx, copy_weights(ctx, r, path, d));
    fig__weights_close(r);
    if (d->cut) EXPECT(!truncate(path, (off_t)(fig__file_size(path) - d->cut)));
    copy_config(ctx, check_path(dir, "config.json"), d);
    fig_status status = fig_model_load(ctx, dir, &o, &m);
    EXPECT(!m == (status != FIG_OK));
    fig_model_free(m);
    return status;
}

static void expect_refused(const damage *d, const char *says) {
    fig_context *ctx = check_context();
    fig_status status = load_damaged(ctx, d);
    EXPECT(status && fig_status_is_usage(status));
    if (!EXPECT(strstr(fig_error(ctx), says))) fprintf(stderr, "    said: %s\n", fig_error(ctx));
    EXPECT(!strchr(fig_error(ctx), '\n'));
}

TEST(a_whole_copy_loads) {
    fig_context *ctx = check_context();
    EXPECT_OK(ctx, load_damaged(ctx, &(damage){0}));
}

TEST(refuses_files_cut_short) {
    expect_refused(&(damage){.cut = 1}, "model.safetensors: cut short");
    expect_refused(&(damage){.cut = 100000}, "model.safetensors: cut short");
}

TEST(refuses_spoilt_numbers) {
    expect_refused(&(damage){.spoil = "model.layers.1.mlp.up_proj.weight"},
                   "tensor model.layers.1.mlp.up_proj.weight: 1 of 2048 numbers are NaN");
    expect_refused(&(damage){.spoil = "model.norm.weight"}, "tensor model.norm.weight: 1 of 32");
}

TEST(refuses_missing_tensors) {
    expect_refused(&(damage){.leave_out = "model.layers.0.self_attn.k_proj.weight"},
                   "model.layers.0.self_attn.k_proj.weight");
    expect_refused(&(damage){.leave_out = "model.norm.weight"}, "model.norm.weight");
}

TEST(refuses_wrong_shapes) {
    expect_refused(&(damage){.narrow = "model.layers.0.mlp.down_proj.weight"}, "1984 numbers of 2048");
    expect_refused(&(damage){.narrow = "model.embed_tokens.weight"}, "1920 numbers of 2048");
    expect_refused(&(damage){.from = "\"hidden_size\": 32", .to = "\"hidden_size\": 64"}, "shape");
    expect_refused(&(damage){.from = "\"num_hidden_layers\": 2", .to = "\"num_hidden_layers\": 3"}, "config.json");
}

TEST(refuses_other_configurations) {
    expect_refused(&(damage){.from = "\"model_type\": \"qwen3\"", .to = "\"model_type\": \"qwen9\""},
                   "model_type \"qwen9\" is not supported");
    expect_refused(&(damage){.from = "\"attention_bias\": false", .to = "\"attention_bias\": true"},
                   "attention_bias = true");
    expect_refused(&(damage){.from = "\"vocab_size\": 61", .to = "\"vocab_size\": 61,"}, "config.json:");
}

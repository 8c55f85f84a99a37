/* Models: settings and what is wrong with them, sizes, files; and that prefill, decode and the whole forward pass
 * agree. */
#include "tiny_gpt.h"
#include "core/kv.h"
#include "models/decoder.h"

static void expect_error(fig_context *ctx, const char *part) {
    if (!EXPECT(strstr(fig_error(ctx), part))) fprintf(stderr, "    the error is: %s\n", fig_error(ctx));
}

/* --- settings ---------------------------------------------------------------------------------------------------*/

TEST(wrong_settings_name_the_nearest_right_one) {
    fig_context *ctx = check_context();
    fig_model *m = NULL;
    EXPECT_EQ_I(fig_model_new(ctx, "gpt22", NULL, &m), FIG_ERR_ARG);
    expect_error(ctx, "gpt22: unknown architecture; did you mean gpt2");
    EXPECT(!m);
    m = tiny_model(ctx, "gpt2", FIG_F32, "");
    EXPECT_EQ_I(fig_model_set(m, "n_layers", "3"), FIG_ERR_ARG);
    expect_error(ctx, "did you mean n_layer");
    EXPECT_EQ_I(fig_model_set(m, "n_layer", "three"), FIG_ERR_ARG);
    EXPECT_EQ_I(fig_model_set(m, "n_layer", "0"), FIG_ERR_ARG);
    EXPECT_EQ_I(fig_model_set(m, "mlp", "swigloo"), FIG_ERR_ARG);
    expect_error(ctx, "swiglu");
    EXPECT_EQ_I(fig_model_get_int(m, "n_layer"), 2); /* as before */
    EXPECT_OK(ctx, fig_model_shape(m));
    EXPECT_EQ_I(fig_model_set(m, "n_layer", "3"), FIG_ERR_ARG);
    expect_error(ctx, "exist already");
    fig_model_free(m);
}

TEST(sizes_that_do_not_divide_are_refused) {
    static const struct {
        const char *settings, *says;
    } cases[] = {{"n_embd=33", "n_embd 33 does not divide into n_head 2"},
                 {"n_head=4 n_kv_head=3", "n_head 4 is no multiple of n_kv_head 3"},
                 {"n_embd=6 pos=rope", "an even head_dim, not 3"},
                 {"padded_vocab=60", "padded_vocab 60 is below vocab_size 61"},
                 {"vocab_size=0", "vocab_size is not set"}};
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        fig_context *ctx = check_context();
        fig_model *m = tiny_model(ctx, "gpt2", FIG_F32, cases[i].settings);
        EXPECT_EQ_I(fig_model_init(m), FIG_ERR_ARG);
        expect_error(ctx, cases[i].says);
        fig_model_free(m);
    }
}

TEST(parameters_are_counted_before_they_have_memory) {
    fig_context *ctx = check_context();
    fig_model *gpt2 = tiny_model(ctx, "gpt2", FIG_F32, ""),
              *qwen3 = tiny_model(ctx, "qwen3", FIG_F32, "n_kv_head=1 tied=false ffn_dim=48");
    EXPECT_OK(ctx, fig_model_shape(gpt2));
    EXPECT_OK(ctx, fig_model_shape(qwen3));
    EXPECT(!fig_params_at(fig_model_params(gpt2), 0).data);
    /* 64 rows of vocabulary, 32 positions; a block: two norms, qkv, proj, up, down, all with biases */
    EXPECT_EQ_I(fig_model_n_params(gpt2),
                64 * 32 + 32 * 32 + 2 * (4 * 32 + 96 * 32 + 96 + 32 * 32 + 32 + 128 * 32 + 128 + 32 * 128 + 32) + 64);
    /* embedding and head; a block: two norms, q 32 + k 16 + v 16, norms of q and k, proj, gate and up, down */
    EXPECT_EQ_I(fig_model_n_params(qwen3), 2 * 64 * 32 + 2 * (64 + 64 * 32 + 32 + 32 * 32 + 96 * 32 + 32 * 48) + 32);
    fig_model_free(gpt2);
    fig_model_free(qwen3);
}

TEST(a_saved_model_comes_back_bit_for_bit) {
    static const char *const arch[] = {"gpt2", "bert", "qwen3", "llama"};
    for (size_t i = 0; i < FIG_COUNT(arch); i++) {
        fig_context *ctx = check_context();
        const char *dir = check_path(check_tmpdir(), "m");
        fig_model *m = tiny_model(ctx, arch[i], FIG_F32, i > 1 ? "n_kv_head=1" : ""), *back = NULL;
        EXPECT_OK(ctx, fig_model_init(m));
        EXPECT_OK(ctx, fig_model_save(m, dir, FIG_F32));
        EXPECT_OK(ctx, fig_model_load(ctx, dir, &(fig_model_options){.dtype = FIG_F32}, &back));
        EXPECT_EQ_S(back ? fig_model_arch(back)->name : "", arch[i]);
        for (size_t k = 0; back && k < fig_params_count(fig_model_params(m)); k++) {
            fig_param_info p = fig_params_at(fig_model_params(m), k), q;
            size_t n = strstr(p.path, "embed.weight") ? TINY_VOCAB * 32 : p.numel; /* rows of padding are not saved */
            EXPECT(fig_params_find(fig_model_params(back), p.path, &q) && !memcmp(p.data, q.data, n * sizeof(float)));
        }
        fig_model_free(m);
        fig_model_free(back);
    }
}

/* --- three modes, one network -----------------------------------------------------------------------------------*/

typedef struct network {
    fig_graph *g;
    fig_plan *plan;
    fig_lm_inputs in;
    fig_tensor *logits;
    fig_kv *kv;
} network;

static network network_new(fig_model *m, fig_mode mode, size_t batch, size_t time, fig_kv *kv) {
    network n = {.kv = kv};
    fig_tensor *head = NULL;
    n.g = fig_model_graph(m, mode, batch, time, &n.in);
    fig_tensor *x = fig_model_hidden(m, n.g, &n.in, &head);
    n.logits = fig__model_logits(n.g, x, head);
    if (!EXPECT_OK(fig_model_context(m), fig_plan_new(n.g, &n.logits, 1, NULL, &n.plan))) exit(1);
    return n;
}
static void network_free(network *n) {
    fig_plan_free(n->plan);
    fig_graph_free(n->g);
}

static int32_t text_token(int stream, size_t i) {
    return (int32_t)((i * i * 3 + i + 17 * (size_t)stream) % TINY_VOCAB);
}

/* Tokens from..from+time of each of `batch` streams; row i is sequence first + i. */
static const float *network_run(network *n, int first, size_t batch, size_t from, size_t time) {
    fig_context *ctx = fig_graph_context(n->g);
    int32_t rows[8], n_new[8];
    size_t shape[2] = {batch, time}, position_rows = n->kv ? batch : 1;
    EXPECT_OK(ctx, fig_plan_resize(n->plan, n->in.tokens, shape));
    EXPECT_OK(ctx, fig_plan_resize(n->plan, n->in.positions, (size_t[]){position_rows, time}));
    int32_t *tokens = fig_plan_data(n->plan, n->in.tokens), *positions = fig_plan_data(n->plan, n->in.positions);
    for (size_t b = 0; b < batch; b++) {
        rows[b] = first + (int32_t)b;
        n_new[b] = (int32_t)time;
        for (size_t i = 0; i < time; i++) tokens[b * time + i] = text_token(first + (int)b, from + i);
    }
    for (size_t i = 0; i < position_rows * time; i++) positions[i] = (int32_t)(from + i % time);
    if (n->kv) EXPECT_OK(ctx, fig_kv_begin(n->kv, batch, rows, n_new));
    EXPECT_OK(ctx, fig_plan_run(n->plan, &(fig_run_args){.kv = n->kv}));
    if (n->kv) fig_kv_end(n->kv);
    return fig_plan_data(n->plan, n->logits);
}

static fig_kv *cache_for(fig_model *m, size_t sequences) {
    fig_decoder_config c = fig__decoder_resolved(fig_model_config(m));
    fig_kv *kv = NULL;
    fig_kv_options o = {.n_layer = (int)c.n_layer,
                        .n_kv_head = (size_t)c.n_kv_head,
                        .head_dim = (size_t)c.head_dim,
                        .dtype = fig_model_dtype(m),
                        .max_sequences = sequences,
                        .max_tokens = (size_t)c.block_size,
                        .block_len = 16};
    EXPECT_OK(fig_model_context(m), fig_kv_new(fig_model_context(m), &o, &kv));
    return kv;
}

/* Lively weights (standard deviation 0.3), so that attention attends to something. */
static const struct {
    const char *arch, *settings;
} nets[] = {{"gpt2", "block_size=100 init_std=0.3"},
            {"qwen3", "block_size=100 init_std=0.3 n_head=4 n_kv_head=2"},
            {"llama", "block_size=100 init_std=0.3 window=20 softcap=8 rope_interleaved=true tied=false"}};

enum { TIME = 90, PROMPT = 70 };

/* Largest difference over the logits that count, as a share of the largest logit. */
static double difference(const float *a, const float *b, size_t rows) {
    double worst = 0, largest = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < TINY_VOCAB; c++) {
            double d = fabs((double)a[r * 64 + c] - (double)b[r * 64 + c]);
            worst = d <= worst ? worst : d;
            largest = fmax(largest, fabs((double)b[r * 64 + c]));
        }
    return worst / largest;
}

/* Rounding explains: about thirty roundings between embedding and logits (two layers of about a dozen products, norms
 * and sums), each half a unit in the last place, in bf16; fp32 sums of up to 128 terms on top. */
static double tolerance(fig_dtype dtype) { return dtype == FIG_BF16 ? ldexp(30, -9) : ldexp(128, -24); }

static void compare_modes(fig_dtype dtype) {
    for (size_t i = 0; i < FIG_COUNT(nets); i++) {
        fig_context *ctx = check_context();
        fig_model *m = tiny_model(ctx, nets[i].arch, dtype, nets[i].settings);
        EXPECT_OK(ctx, fig_model_init(m));
        fig_kv *kv = cache_for(m, 1);
        network whole = network_new(m, FIG_EVAL, 1, TIME, NULL), prefill = network_new(m, FIG_PREFILL, 1, PROMPT, kv);
        network decode = network_new(m, FIG_DECODE, 1, 1, kv);
        float *wanted = malloc(TIME * 64 * sizeof *wanted);
        memcpy(wanted, network_run(&whole, 0, 1, 0, TIME), TIME * 64 * sizeof *wanted);
        double first = difference(network_run(&prefill, 0, 1, 0, PROMPT), wanted, PROMPT), later = 0;
        for (size_t t = PROMPT; t < TIME; t++)
            later = fmax(later, difference(network_run(&decode, 0, 1, t, 1), wanted + t * 64, 1));
        if (!EXPECT(first <= tolerance(dtype) && later <= tolerance(dtype)))
            fprintf(stderr, "    %s: prefill differs by %.3g, decode by %.3g\n", nets[i].arch, first, later);
        free(wanted);
        network_free(&whole), network_free(&prefill), network_free(&decode);
        fig_kv_free(kv);
        fig_model_free(m);
    }
}

TEST(prefill_and_decode_agree_with_the_whole_pass_in_fp32) { compare_modes(FIG_F32); }
TEST(prefill_and_decode_agree_with_the_whole_pass_in_bf16) { compare_modes(FIG_BF16); }

/* The bits of a sequence depend neither on how its prompt was cut nor on what runs beside it. (A chunk of a single
 * token takes decoding's way through attention, and may round otherwise.) */
static void compare_bits(fig_dtype dtype) {
    static const size_t cuts[][5] = {{70}, {2, 68}, {13, 20, 37}, {16, 16, 16, 16, 6}};
    for (size_t i = 0; i < FIG_COUNT(nets); i++) {
        fig_context *ctx = check_context();
        fig_model *m = tiny_model(ctx, nets[i].arch, dtype, nets[i].settings);
        EXPECT_OK(ctx, fig_model_init(m));
        fig_kv *kv = cache_for(m, 8);
        network prefill = network_new(m, FIG_PREFILL, 1, PROMPT, kv), decode = network_new(m, FIG_DECODE, 8, 1, kv);
        float first[64], alone[64], beside[64];
        for (size_t c = 0; c < FIG_COUNT(cuts); c++) {
            size_t at = 0;
            const float *logits = NULL;
            fig_kv_clear(kv, 3);
            for (int k = 0; k < 5 && cuts[c][k]; at += cuts[c][k++])
                logits = network_run(&prefill, 3, 1, at, cuts[c][k]) + (cuts[c][k] - 1) * 64;
            if (!c)
                memcpy(first, logits, sizeof first);
            else if (!EXPECT(!memcmp(first, logits, sizeof first)))
                fprintf(stderr, "    %s: cut number %zu\n", nets[i].arch, c);
        }
        memcpy(alone, network_run(&decode, 3, 1, PROMPT, 1), sizeof alone);
        fig_kv_truncate(kv, 3, PROMPT);
        for (int s = 0; s < 8; s++)
            if (s != 3) network_run(&prefill, s, 1, 0, PROMPT);
        memcpy(beside, network_run(&decode, 0, 8, PROMPT, 1) + 3 * 64, sizeof beside);
        if (!EXPECT(!memcmp(alone, beside, sizeof alone)))
            fprintf(stderr, "    %s: alone and beside others\n", nets[i].arch);
        network_free(&prefill), network_free(&decode);
        fig_kv_free(kv);
        fig_model_free(m);
    }
}

TEST(bits_do_not_depend_on_chunks_or_neighbours_in_fp32) { compare_bits(FIG_F32); }
TEST(bits_do_not_depend_on_chunks_or_neighbours_in_bf16) { compare_bits(FIG_BF16); }

/* A fork of a cache goes on as the original does. */
TEST(a_fork_decodes_like_its_source) {
    fig_context *ctx = check_context();
    fig_model *m = tiny_model(ctx, "qwen3", FIG_F32, nets[1].settings);
    EXPECT_OK(ctx, fig_model_init(m));
    fig_kv *kv = cache_for(m, 2);
    network prefill = network_new(m, FIG_PREFILL, 1, PROMPT, kv), decode = network_new(m, FIG_DECODE, 2, 1, kv);
    float source[64], fork[64];
    network_run(&prefill, 0, 1, 0, PROMPT);
    EXPECT_OK(ctx, fig_kv_fork(kv, 1, 0));
    memcpy(source, network_run(&decode, 0, 1, PROMPT, 1), sizeof source);
    network_run(&decode, 1, 1, 3, 1); /* another token at another place in the fork */
    fig_kv_truncate(kv, 0, PROMPT);
    memcpy(fork, network_run(&decode, 0, 1, PROMPT, 1), sizeof fork);
    EXPECT(!memcmp(source, fork, sizeof fork));
    network_free(&prefill), network_free(&decode);
    fig_kv_free(kv);
    fig_model_free(m);
}

/* From logits to a token: against a slow, obvious reference, and against the probabilities it should have. */
#include "check.h"
#include "base/rng.h"
#include "gen/sampler.h"

enum { N = 97 };

static fig_generate_options plain(double temp) {
    return (fig_generate_options){.temp = temp, .top_p = 1, .repeat_penalty = 1, .seed = 11};
}

static double uniform(uint64_t stream, uint64_t i) { return fig__rng_uniform(&(fig_rng_key){99, stream, 0}, 0, i); }

static void make_logits(float *logits, uint64_t stream) {
    for (size_t i = 0; i < N; i++) logits[i] = (float)(8 * uniform(stream, i) - 4);
    logits[17] = logits[60]; /* ties */
    logits[3] = logits[4] = logits[60];
}

/* --- the reference: probabilities after each rule, all tokens in one array ---------------------------------------*/

static bool before(const float *l, size_t a, size_t b) { return l[a] != l[b] ? l[a] > l[b] : a < b; }

/* rank[i]: how many tokens come before i. */
static void rank_all(const float *l, size_t *rank) {
    for (size_t i = 0; i < N; i++) {
        rank[i] = 0;
        for (size_t k = 0; k < N; k++) rank[i] += k != i && before(l, k, i);
    }
}

static void reference_penalty(float *l, const fig_generate_options *o, const int32_t *recent, size_t n_recent) {
    for (int32_t t = 0; t < N; t++) {
        bool seen = false;
        for (size_t i = 0; i < n_recent; i++)
            seen |= recent[i] == t && (o->repeat_last_n <= 0 || i + (size_t)o->repeat_last_n >= n_recent);
        if (seen) l[t] = l[t] > 0 ? l[t] / (float)o->repeat_penalty : l[t] * (float)o->repeat_penalty;
    }
}

static int32_t reference(const fig_generate_options *o, const float *logits, const int32_t *recent, size_t n_recent,
                         uint64_t sample, uint64_t position) {
    float l[N];
    size_t rank[N], order[N], keep = N;
    double sum = 0, total = 0, top;
    memcpy(l, logits, sizeof l);
    reference_penalty(l, o, recent, n_recent);
    rank_all(l, rank);
    for (size_t i = 0; i < N; i++) order[rank[i]] = i;
    if (o->temp <= 0) return (int32_t)order[0];
    top = l[order[0]];
    if (o->top_k > 0 && (size_t)o->top_k < keep) keep = (size_t)o->top_k;
    for (size_t i = 0; i < keep; i++) total += exp(l[order[i]] - top);
    for (size_t i = 0; i < keep && o->top_p < 1; i++) /* the fewest whose probabilities reach top_p */
        if ((sum += exp(l[order[i]] - top)) >= o->top_p * total) keep = i + 1;
    while (keep > 1 && o->min_p > 0 && exp(l[order[keep - 1]] - top) < o->min_p * (1 - 1e-12)) keep--;
    sum = total = 0;
    for (size_t i = 0; i < keep; i++) total += exp((l[order[i]] - top) / o->temp);
    double u = fig__rng_uniform(&(fig_rng_key){(uint64_t)o->seed, fig__rng_stream("generate"), 0}, sample, position);
    for (size_t i = 0; i < keep; i++)
        if (u * total < (sum += exp((l[order[i]] - top) / o->temp))) return (int32_t)order[i];
    return (int32_t)order[keep - 1];
}

TEST(agrees_with_the_reference_for_any_options) {
    float logits[N];
    fig__candidate work[N];
    int32_t recent[40];
    for (uint64_t t = 0; t < 4000; t++) {
        static const int64_t ks[] = {0, 1, 2, 5, 40, 96, 97, 500};
        static const double ps[] = {1, 0.95, 0.5, 0.01}, mins[] = {0, 0.05, 0.3, 1}, temps[] = {0, 0.1, 0.8, 1, 2.5},
                            rps[] = {1, 1.3, 0.8};
        fig_generate_options o = {.top_k = ks[t % 8],
                                  .top_p = ps[t / 3 % 4],
                                  .min_p = mins[t / 5 % 4],
                                  .temp = temps[t / 7 % 5],
                                  .repeat_penalty = rps[t / 11 % 3],
                                  .repeat_last_n = t % 2 ? 8 : 0,
                                  .seed = (int64_t)(t % 13)};
        make_logits(logits, t);
        for (size_t i = 0; i < 40; i++) recent[i] = (int32_t)(uniform(t, 1000 + i) * 120) - 10; /* some are no tokens */
        int32_t got = fig__sample(&o, logits, N, recent, t % 41, t % 3, t, work),
                wanted = reference(&o, logits, recent, t % 41, t % 3, t);
        if (!EXPECT_EQ_I(got, wanted)) {
            fprintf(stderr, "    k %d p %g min %g temp %g penalty %g\n", (int)o.top_k, o.top_p, o.min_p, o.temp,
                    o.repeat_penalty);
            break;
        }
    }
}

TEST(greedy_takes_the_lowest_of_equals) {
    float logits[N] = {0};
    fig__candidate work[N];
    fig_generate_options o = plain(0);
    EXPECT_EQ_I(fig__sample(&o, logits, N, NULL, 0, 0, 0, work), 0);
    logits[50] = logits[20] = logits[70] = 3;
    EXPECT_EQ_I(fig__sample(&o, logits, N, NULL, 0, 0, 0, work), 20);
    o.temp = 1, o.top_k = 1; /* one candidate is greedy at any temperature */
    for (uint64_t i = 0; i < 50; i++) EXPECT_EQ_I(fig__sample(&o, logits, N, NULL, 0, i, i, work), 20);
    o.top_k = 0, o.top_p = 1e-9;
    EXPECT_EQ_I(fig__sample(&o, logits, N, NULL, 0, 0, 0, work), 20);
}

TEST(frequencies_follow_the_probabilities) {
    enum { DRAWS = 20000 };
    const double temp = 0.7;
    float logits[6] = {1, 0.5f, 0, -0.5f, 2, -3};
    fig__candidate work[6];
    fig_generate_options o = plain(temp);
    int hits[6] = {0};
    double total = 0;
    for (uint64_t i = 0; i < DRAWS; i++) hits[fig__sample(&o, logits, 6, NULL, 0, i % 7, i, work)]++;
    for (int i = 0; i < 6; i++) total += exp(logits[i] / temp);
    for (int i = 0; i < 6; i++) {
        double p = exp(logits[i] / temp) / total;
        EXPECT_NEAR(hits[i], DRAWS * p, 5 * sqrt(DRAWS * p * (1 - p))); /* five deviations */
    }
}

TEST(the_draw_is_keyed_by_seed_sample_and_position) {
    float logits[N];
    fig__candidate work[N];
    fig_generate_options o = plain(1.5), other = plain(1.5);
    int by_seed = 0, by_sample = 0, by_position = 0;
    other.seed = 12;
    make_logits(logits, 1);
    for (uint64_t i = 0; i < 100; i++) {
        int32_t t = fig__sample(&o, logits, N, NULL, 0, 2, i, work);
        EXPECT_EQ_I(t, fig__sample(&o, logits, N, NULL, 0, 2, i, work));
        by_seed += t != fig__sample(&other, logits, N, NULL, 0, 2, i, work);
        by_sample += t != fig__sample(&o, logits, N, NULL, 0, 3, i, work);
        by_position += t != fig__sample(&o, logits, N, NULL, 0, 2, i + 1000, work);
    }
    EXPECT(by_seed > 70 && by_sample > 70 && by_position > 70);
}

TEST(the_penalty_counts_a_token_once_and_looks_back_so_far) {
    float logits[3] = {2, 1.5f, -1};
    fig__candidate work[3];
    fig_generate_options o = plain(0);
    o.repeat_penalty = 1.3;
    int32_t recent[] = {0, 0, 0, 0, 2, 2};
    EXPECT_EQ_I(fig__sample(&o, logits, 3, recent, 4, 0, 0, work),
                0); /* 2 / 1.3 is still more than 1.5; 2 / 1.3^4 is not */
    o.repeat_penalty = 1.5;
    EXPECT_EQ_I(fig__sample(&o, logits, 3, recent, 4, 0, 0, work), 1);
    o.repeat_last_n = 2;
    EXPECT_EQ_I(fig__sample(&o, logits, 3, recent, 6, 0, 0, work), 0); /* only token 2 is that recent */
}

TEST(numbers_that_are_not_finite_are_never_drawn) {
    float logits[5] = {NAN, INFINITY, 0, -INFINITY, -1};
    fig__candidate work[5];
    fig_generate_options o = plain(2);
    for (uint64_t i = 0; i < 200; i++) {
        int32_t t = fig__sample(&o, logits, 5, NULL, 0, 0, i, work);
        EXPECT(t == 2 || t == 4);
    }
    o.temp = 0;
    EXPECT_EQ_I(fig__sample(&o, logits, 5, NULL, 0, 0, 0, work), 2);
}

/* By quantile: the likeliest first, all of them in the end, and what a key draws is what its number draws. */
TEST(a_quantile_chooses) {
    fig_generate_options o = plain(1);
    fig__candidate work[N];
    float logits[N];
    make_logits(logits, 7);
    int32_t likeliest = fig__sample_at(&o, logits, N, NULL, 0, 0, work), last = likeliest;
    size_t n_changes = 0;
    for (size_t i = 1; i < 20000; i++) {
        int32_t id = fig__sample_at(&o, logits, N, NULL, 0, (double)i / 20000, work);
        if (id == last) continue;
        EXPECT(before(logits, (size_t)last, (size_t)id));
        last = id;
        n_changes++;
    }
    EXPECT(n_changes > N / 2 && n_changes < N);
    for (size_t i = 0; i < N; i++) EXPECT(!before(logits, i, (size_t)likeliest));
    double u = fig__rng_uniform(&(fig_rng_key){11, fig__rng_stream("generate"), 0}, 5, 6);
    EXPECT_EQ_I(fig__sample_at(&o, logits, N, NULL, 0, u, work), fig__sample(&o, logits, N, NULL, 0, 5, 6, work));
}

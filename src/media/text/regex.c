/* media/text/regex.c: PCRE2 with Unicode properties and its just-in-time compiler. */
#include "media/text/regex.h"
#include "base/buf.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* White_Space, spelt out: PCRE2's own \s also takes U+180E. */
#define SPACES "\\t-\\r\\x{85}\\p{Z}"

/* \C would match half a character. */
#define COMPILE (PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C)

enum { MAX_PATTERN = 1 << 16, MATCH_LIMIT = 10 * 1000 * 1000, JIT_STACK = 1 << 20 };

struct fig__regex {
    fig_context *ctx;
    pcre2_general_context *general;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *match;
    pcre2_jit_stack *stack;
};

static void *take(size_t size, void *ctx) { return fig__alloc(ctx, size); }
static void give(void *p, void *ctx) { fig__free(ctx, p); }

/* Writes pattern with \s and \S replaced. Inside [...] a \S stays, because a class cannot hold a complement. */
static fig_status spell_out_spaces(const char *pattern, fig__buf *out) {
    bool in_class = false;
    for (const char *p = pattern; *p; p++) {
        if (*p == '\\' && p[1]) {
            p++;
            if (*p == 's')
                FIG_TRY(fig__buf_adds(out, in_class ? SPACES : "[" SPACES "]"));
            else if (*p == 'S' && !in_class)
                FIG_TRY(fig__buf_adds(out, "[^" SPACES "]"));
            else
                FIG_TRY(fig__buf_add(out, p - 1, 2));
            continue;
        }
        if (*p == '[') in_class = true;
        if (*p == ']') in_class = false;
        FIG_TRY(fig__buf_addc(out, *p));
    }
    return FIG_OK;
}

static fig_status compile(fig__regex *re, const char *pattern) {
    fig_context *ctx = re->ctx;
    fig__buf text;
    fig__buf_init(&text, ctx, MAX_PATTERN);
    fig_status status = spell_out_spaces(pattern, &text);
    if (status) return fig__buf_deinit(&text), status;
    pcre2_compile_context *compile = pcre2_compile_context_create(re->general);
    int error = 0;
    PCRE2_SIZE at = 0;
    if (compile) re->code = pcre2_compile((PCRE2_SPTR)fig__buf_str(&text), text.len, COMPILE, &error, &at, compile);
    pcre2_compile_context_free(compile);
    fig__buf_deinit(&text);
    if (re->code) return FIG_OK;
    if (!compile || error == PCRE2_ERROR_HEAP_FAILED) return FIG_FAIL(ctx, FIG_ERR_NOMEM, "pattern: out of memory");
    PCRE2_UCHAR why[128];
    pcre2_get_error_message(error, why, sizeof why);
    return FIG_FAIL(ctx, FIG_ERR_FORMAT, "pattern: %s; change it near character %zu", (char *)why, at);
}

static fig_status prepare(fig__regex *re) {
    fig_context *ctx = re->ctx;
    uint32_t behind = 0;
    pcre2_pattern_info(re->code, PCRE2_INFO_MAXLOOKBEHIND, &behind);
    FIG_CHECK(ctx, behind == 0, FIG_ERR_UNSUPPORTED,
              "pattern: it looks behind (\\b, ^ or (?<...)); use one that only looks ahead");
    re->data = pcre2_match_data_create(1, re->general);
    re->match = pcre2_match_context_create(re->general);
    FIG_CHECK(ctx, re->data && re->match, FIG_ERR_NOMEM, "pattern: out of memory");
    pcre2_set_match_limit(re->match, MATCH_LIMIT);
    /* Without the compiler (no executable memory) matching is slower and gives the same. */
    if (pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD) == 0) {
        re->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK, re->general);
        if (re->stack) pcre2_jit_stack_assign(re->match, NULL, re->stack);
    }
    return FIG_OK;
}

fig_status fig__regex_new(fig_context *ctx, const char *pattern, fig__regex **out) {
    *out = NULL;
    fig__regex *re = FIG_NEW(ctx, fig__regex);
    if (!re) return FIG_ERR_NOMEM;
    re->ctx = ctx;
    re->general = pcre2_general_context_create(take, give, ctx);
    fig_status status = re->general ? compile(re, pattern) : FIG_FAIL(ctx, FIG_ERR_NOMEM, "pattern: out of memory");
    if (!status) status = prepare(re);
    if (status) return fig__regex_free(re), status;
    *out = re;
    return FIG_OK;
}

void fig__regex_free(fig__regex *re) {
    if (!re) return;
    pcre2_jit_stack_free(re->stack);
    pcre2_match_context_free(re->match);
    pcre2_match_data_free(re->data);
    pcre2_code_free(re->code);
    pcre2_general_context_free(re->general);
    fig__free(re->ctx, re);
}

fig_status fig__regex_match(fig__regex *re, const char *text, size_t len, bool open, fig__match *found, size_t *start,
                            size_t *end) {
    uint32_t how = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY | (open ? PCRE2_PARTIAL_HARD : 0);
    int rc = pcre2_match(re->code, (PCRE2_SPTR)text, len, 0, how, re->data, re->match);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(re->code, (PCRE2_SPTR)text, len, 0, how | PCRE2_NO_JIT, re->data, re->match);
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->data);
    *found = rc >= 0 ? FIG_MATCH : rc == PCRE2_ERROR_PARTIAL ? FIG_MATCH_PARTIAL : FIG_MATCH_NONE;
    if (rc >= 0) *start = at[0], *end = at[1];
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH || rc == PCRE2_ERROR_PARTIAL) return FIG_OK;
    if (rc == PCRE2_ERROR_NOMEMORY || rc == PCRE2_ERROR_HEAPLIMIT)
        return FIG_FAIL(re->ctx, FIG_ERR_NOMEM, "pattern: out of memory");
    return FIG_FAIL(re->ctx, FIG_ERR_LIMIT, "pattern: matching takes too long (PCRE2 error %d); simplify it", rc);
}

/* cli/cmd_tokenizer.c: figment tokenizer train, encode, decode. */
#include <fig/dataset.h>
#include <fig/tokenizer.h>
#include <stdio.h>
#include "base/file.h"
#include "cli/cli.h"
#include "cli/meter.h"
#include "cli/text.h"

#define TEXT_MAX ((size_t)1 << 30) /* bytes of ids or text given at once */

/* --- train --------------------------------------------------------------------------------------------------------*/

typedef struct train_settings {
    fig_strings data;
    const char *out;
    fig__tokenizer_choice choice;
} train_settings;

#define AT(field) offsetof(train_settings, field)
static const fig_option train_rows[] = {
    {.name = "data",
     .kind = FIG_OPT_LIST,
     .offset = AT(data),
     .value = "PATH",
     .help = "file or folder to learn from; may be given again"},
    {.name = "out",
     .kind = FIG_OPT_STRING,
     .offset = AT(out),
     .aliases = "o output",
     .value = "PATH",
     .fallback = "tokenizer.json",
     .help = "where it goes"},
    {.name = "tokenizer",
     .kind = FIG_OPT_STRING,
     .offset = AT(choice.name),
     .aliases = "kind",
     .value = "KIND",
     .fallback = "bpe",
     .help = "byte, char or bpe"},
    {.name = "vocab_size",
     .kind = FIG_OPT_INT,
     .offset = AT(choice.vocab_size),
     .low = 0,
     .high = 1 << 24,
     .help = "tokens of bpe, special ones included; 0: by the size of the data"},
    {.name = "special",
     .kind = FIG_OPT_LIST,
     .offset = AT(choice.special),
     .value = "TEXT",
     .help = "a special token; may be given again"},
};
static const fig_option_table train_table = {train_rows, FIG_COUNT(train_rows)};

static fig_status report_training(fig__args *args, const char *path, const fig_tokenizer *tok,
                                  const fig_tokenizer_train_report *r) {
    if (!args->globals.json)
        return fig__printf(args->ctx, "%s: %d tokens, from %llu bytes of text%s\n", path,
                           (int)fig_tokenizer_vocab_size(tok), (unsigned long long)r->n_bytes,
                           r->exact ? "" : "; rare pieces were dropped to save memory");
    fig__json *j = fig__json_new_object();
    fig__json_put(j, "path", fig__json_new_str(path));
    fig__json_put(j, "vocab_size", fig__json_new_int(fig_tokenizer_vocab_size(tok)));
    fig__json_put(j, "bytes", fig__json_new_int((int64_t)r->n_bytes));
    fig__json_put(j, "invalid_bytes", fig__json_new_int((int64_t)r->n_invalid));
    fig__json_put(j, "exact", fig__json_new_bool(r->exact));
    return fig__print_json(args->ctx, j, 2);
}

static fig_status run_train(fig__args *args) {
    train_settings s;
    fig_tokenizer_train_report report;
    fig_tokenizer *tok = NULL;
    FIG_TRY(fig__args_bind(args, &train_table, &s));
    FIG_TRY(fig__args_apply(args, NULL, NULL));
    for (size_t i = 0; i < args->words.n; i++)
        FIG_TRY(fig__option_set(args->ctx, &train_rows[0], &s, args->words.data[i], args->arena));
    FIG_CHECK(args->ctx, s.data.n, FIG_ERR_ARG, "--data: what should it learn from? give a file or folder");
    fig__meter_start(args->globals.quiet);
    fig_status status = fig__tokenizer_from_text(args->ctx, &s.data, &s.choice, &report, &tok);
    if (!status) status = fig_tokenizer_save(tok, s.out);
    if (!status) status = report_training(args, s.out, tok, &report);
    fig_tokenizer_free(tok);
    return status;
}

const fig__command fig__cmd_tokenizer_train = {
    .name = "tokenizer train",
    .usage = "PATH... [-o tokenizer.json]",
    .summary = "Learn a tokenizer from text.",
    .example = "figment tokenizer train my-folder --tokenizer bpe --vocab_size 4096 -o tokenizer.json",
    .tables = {&train_table},
    .run = run_train,
};

/* --- encode and decode --------------------------------------------------------------------------------------------*/

typedef struct coding {
    const char *text, *file;
    bool specials, bos, pieces;
} coding;

#undef AT
#define AT(field) offsetof(coding, field)
#define TEXT_ROW(help_)                                                                                     \
    {                                                                                                       \
        .name = "text", .kind = FIG_OPT_STRING, .offset = AT(text), .aliases = "p prompt", .value = "TEXT", \
        .help = help_                                                                                       \
    }
#define FILE_ROW                                                                                     \
    {                                                                                                \
        .name = "file", .kind = FIG_OPT_STRING, .offset = AT(file), .aliases = "f", .value = "PATH", \
        .help = "from a file; else from standard input"                                              \
    }
static const fig_option encode_rows[] = {
    TEXT_ROW("what to encode"),
    FILE_ROW,
    {.name = "specials",
     .kind = FIG_OPT_BOOL,
     .offset = AT(specials),
     .help = "names of special tokens in the text stand for them"},
    {.name = "bos", .kind = FIG_OPT_BOOL, .offset = AT(bos), .help = "begin with the begin-of-text token"},
    {.name = "pieces", .kind = FIG_OPT_BOOL, .offset = AT(pieces), .help = "the text of each token, not its number"},
};
static const fig_option_table encode_table = {encode_rows, FIG_COUNT(encode_rows)};
static const fig_option decode_rows[] = {
    TEXT_ROW("numbers of tokens, with blanks or commas between"),
    FILE_ROW,
    {.name = "specials", .kind = FIG_OPT_BOOL, .offset = AT(specials), .help = "write special tokens by name"},
};
static const fig_option_table decode_table = {decode_rows, FIG_COUNT(decode_rows)};

/* Tokenizer and text, as both directions need them. */
static fig_status open_coding(fig__args *args, const fig_option_table *t, coding *c, fig__buf *text,
                              fig_tokenizer **tok) {
    FIG_TRY(fig__args_bind(args, t, c));
    FIG_TRY(fig__args_apply(args, NULL, NULL));
    FIG_TRY(fig__args_want_words(args, 1, 1));
    FIG_TRY(fig__tokenizer_open(args->ctx, args->words.data[0], tok));
    if (c->text) return fig__buf_adds(text, c->text);
    return fig__file_read(args->ctx, c->file ? c->file : "-", TEXT_MAX, text);
}

static fig_status print_ids(fig__args *args, const fig_ids *ids) {
    fig__buf out;
    fig__buf_init(&out, args->ctx, 16 * TEXT_MAX);
    const char *open = args->globals.json ? "[" : "", *between = args->globals.json ? ", " : " ";
    fig_status status = fig__buf_adds(&out, open);
    for (size_t i = 0; !status && i < ids->n; i++)
        status = fig__buf_printf(&out, "%s%d", i ? between : "", (int)ids->data[i]);
    if (!status) status = fig__buf_adds(&out, args->globals.json ? "]\n" : "\n");
    if (!status) status = fig__print(args->ctx, out.data, out.len);
    fig__buf_deinit(&out);
    return status;
}

static fig_status print_pieces(fig__args *args, const fig_tokenizer *tok, const fig_ids *ids) {
    fig__json *list = fig__json_new_array();
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *piece = fig_tokenizer_token(tok, ids->data[i], &len);
        fig__json_push(list, fig__json_new_strn(piece ? piece : "", piece ? len : 0));
    }
    return fig__print_json(args->ctx, list, 0);
}

static fig_status run_encode(fig__args *args) {
    coding c;
    fig_tokenizer *tok = NULL;
    fig_ids ids = {0};
    fig__buf text;
    fig__buf_init(&text, args->ctx, TEXT_MAX);
    fig_status status = open_coding(args, &encode_table, &c, &text, &tok);
    int flags = status ? 0 : (c.specials ? FIG_ENCODE_SPECIALS : 0) | (c.bos ? FIG_ENCODE_BOS : 0);
    if (!status) status = fig_tokenizer_encode(tok, fig__buf_str(&text), text.len, flags, &ids);
    if (!status) status = c.pieces ? print_pieces(args, tok, &ids) : print_ids(args, &ids);
    fig_ids_free(args->ctx, &ids);
    fig__buf_deinit(&text);
    fig_tokenizer_free(tok);
    return status;
}

static fig_status read_ids(fig_context *ctx, const char *text, fig_ids *ids) {
    static const char between[] = " \t\r\n,[]";
    for (size_t at = strspn(text, between); text[at]; at += strspn(text + at, between)) {
        char number[24];
        int64_t id;
        size_t len = strcspn(text + at, between);
        snprintf(number, sizeof number, "%.*s", (int)FIG_MIN(len, sizeof number - 1), text + at);
        bool fine = fig__parse_int(number, &id) && id >= 0 && id <= INT32_MAX;
        FIG_CHECK(ctx, fine, FIG_ERR_ARG, "%s: no token number", number);
        FIG_TRY(FIG_PUSH(ctx, ids, (int32_t)id));
        at += len;
    }
    return FIG_OK;
}

static fig_status run_decode(fig__args *args) {
    coding c;
    fig_tokenizer *tok = NULL;
    fig_ids ids = {0};
    fig__buf text;
    char *decoded = NULL;
    size_t len = 0;
    fig__buf_init(&text, args->ctx, TEXT_MAX);
    fig_status status = open_coding(args, &decode_table, &c, &text, &tok);
    if (!status) status = read_ids(args->ctx, fig__buf_str(&text), &ids);
    if (!status)
        status = fig_tokenizer_decode(tok, ids.data, ids.n, c.specials ? FIG_DECODE_SPECIALS : 0, &decoded, &len);
    if (!status)
        status = args->globals.json ? fig__print_json(args->ctx, fig__json_new_strn(decoded, len), 0)
                                    : fig__print(args->ctx, decoded, len);
    fig_tokenizer_text_free(args->ctx, decoded);
    fig_ids_free(args->ctx, &ids);
    fig__buf_deinit(&text);
    fig_tokenizer_free(tok);
    return status;
}

const fig__command fig__cmd_tokenizer_encode = {
    .name = "tokenizer encode",
    .usage = "TOKENIZER [--text TEXT | --file PATH]",
    .summary = "Turn text into token numbers.",
    .details = "TOKENIZER is a tokenizer.json, a GPT-2 encoder.json, a llama2.c tokenizer.bin, a tiktoken file, a\n"
               "folder that holds one, or the name of a model.",
    .example = "figment tokenizer encode tokenizer.json --text \"Once upon a time\"\n"
               "figment tokenizer encode shakespeare --pieces --text \"Once upon a time\"",
    .tables = {&encode_table},
    .run = run_encode,
};

const fig__command fig__cmd_tokenizer_decode = {
    .name = "tokenizer decode",
    .usage = "TOKENIZER [--text NUMBERS | --file PATH]",
    .summary = "Turn token numbers back into text, byte for byte.",
    .example = "figment tokenizer decode tokenizer.json --text \"15 2 7\"",
    .tables = {&decode_table},
    .run = run_decode,
};

/* safetensors: what we write reads back, what the reference refuses is refused, with a line that says why. */
#include "files/safetensors.h"
#include "check.h"

/* A file of a header and n_data bytes 1, 2, 3, ... */
static char *make_file(fig_context *ctx, const char *dir, const char *header, size_t n_data) {
    char *path = check_path(dir, "x.safetensors");
    uint8_t data[256];
    uint64_t n = strlen(header);
    fig__writer *w;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i + 1);
    if (!EXPECT_OK(ctx, fig__writer_open(ctx, path, &w))) return path;
    fig__writer_add(w, &n, 8);
    fig__writer_add(w, header, n);
    fig__writer_add(w, data, n_data);
    EXPECT_OK(ctx, fig__writer_commit(w));
    return path;
}

/* Opening fails with this code and a message that contains text. */
static void expect_refused(const char *header, size_t n_data, fig_status code, const char *text) {
    fig_context *ctx = check_context();
    fig__weights *w;
    char *path = make_file(ctx, check_tmpdir(), header, n_data);
    EXPECT_EQ_I(fig__st_open(ctx, path, &w), code);
    if (!EXPECT(strstr(fig_error(ctx), text) != NULL)) fprintf(stderr, "    said: %s\n", fig_error(ctx));
    fig__weights_close(w);
}

#define T(name, dtype, shape, from, to) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

TEST(reads_views_in_file_order) {
    fig_context *ctx = check_context();
    fig__weights *w;
    const char *header = "{\"__metadata__\":{\"format\":\"pt\"}," T("b", "U8", "[2,2]", 4, 8) "," T(
        "a", "F32", "[]", 0, 4) "," T("none", "I64", "[3,0]", 8, 8) "}  ";
    char *path = make_file(ctx, check_tmpdir(), header, 8);
    if (!EXPECT_OK(ctx, fig__st_open(ctx, path, &w))) return;
    EXPECT_EQ_I(fig__weights_count(w), 3);
    EXPECT_EQ_S(fig__weights_at(w, 0)->name, "a");
    const fig__weight *b = fig__weights_find(w, "b");
    EXPECT_EQ_I(b->dtype, FIG_U8);
    EXPECT_EQ_I(b->numel, 4);
    EXPECT_EQ_I(b->shape[1], 2);
    EXPECT_EQ_I(((const uint8_t *)b->data)[0], 5);
    EXPECT_EQ_I(fig__weights_find(w, "a")->ndim, 0);
    EXPECT_EQ_I(fig__weights_find(w, "a")->numel, 1);
    EXPECT_EQ_I(fig__weights_find(w, "none")->bytes, 0);
    EXPECT(!fig__weights_find(w, "c"));
    EXPECT_EQ_S(fig__json_str(fig__json_get(fig__weights_metadata(w), "format"), ""), "pt");
    fig__weights_close(w);
}

TEST(aligns_what_the_file_does_not) {
    fig_context *ctx = check_context();
    fig__weights *w;
    char *path = make_file(ctx, check_tmpdir(), "{" T("a", "U8", "[1]", 0, 1) "," T("b", "I32", "[2]", 1, 9) "}", 9);
    if (!EXPECT_OK(ctx, fig__st_open(ctx, path, &w))) return;
    const fig__weight *b = fig__weights_find(w, "b");
    EXPECT_EQ_I((uintptr_t)b->data % 4, 0);
    EXPECT_EQ_I(((const int32_t *)b->data)[0], 0x05040302);
    fig__weights_close(w);
}

TEST(refuses_what_is_no_safetensors_file) {
    fig_context *ctx = check_context();
    fig__weights *w;
    char *path = check_path(check_tmpdir(), "x.safetensors");
    EXPECT_EQ_I(fig__st_open(ctx, path, &w), FIG_ERR_NOTFOUND);
    EXPECT_OK(ctx, fig__file_write(ctx, path, "", 0));
    EXPECT_EQ_I(fig__st_open(ctx, path, &w), FIG_ERR_FORMAT);
    EXPECT(strstr(fig_error(ctx), "0 bytes; too short"));
    EXPECT_OK(ctx, fig__file_write(ctx, path, "GGUF\3\0\0\0\7\0\0\0", 12));
    EXPECT_EQ_I(fig__st_open(ctx, path, &w), FIG_ERR_FORMAT);
    EXPECT(strstr(fig_error(ctx), "no safetensors file"));
    EXPECT_OK(ctx, fig__file_write(ctx, path, "\7\0\0\0\0\0\0\0{", 9));
    EXPECT_EQ_I(fig__st_open(ctx, path, &w), FIG_ERR_FORMAT);
    EXPECT(strstr(fig_error(ctx), "cut short"));
    expect_refused("", 0, FIG_ERR_FORMAT, "no JSON object");
    expect_refused("[]", 0, FIG_ERR_FORMAT, "no JSON object");
    expect_refused("{\"a\"", 0, FIG_ERR_FORMAT, "x.safetensors:1:");
}

TEST(refuses_what_a_header_must_not_say) {
    expect_refused("{" T("a", "F99", "[1]", 0, 4) "}", 4, FIG_ERR_FORMAT, "no type is called \"F99\"");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, FIG_ERR_FORMAT, "no shape");
    expect_refused("{" T("a", "F32", "[-1]", 0, 4) "}", 4, FIG_ERR_FORMAT, "a wrong shape");
    expect_refused("{" T("a", "F32", "[1.0]", 0, 4) "}", 4, FIG_ERR_FORMAT, "a wrong shape");
    expect_refused("{" T("a", "F32", "[4294967296,4294967296]", 0, 4) "}", 4, FIG_ERR_FORMAT, "a wrong shape");
    expect_refused("{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, FIG_ERR_LIMIT, "9 axes");
    expect_refused("{" T("a", "F4", "[3]", 0, 1) "}", 1, FIG_ERR_FORMAT, "whole byte");
    expect_refused("{" T("a", "F32", "[2]", 0, 4) "}", 4, FIG_ERR_FORMAT, "asks for 8 bytes, its data_offsets give 4");
    expect_refused("{" T("a", "F32", "[1]", 4, 0) "}", 4, FIG_ERR_FORMAT, "wrong data_offsets");
    expect_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, FIG_ERR_FORMAT,
                   "wrong data_offsets");
    expect_refused("{" T("a", "U8", "[2]", 0, 2) "," T("a", "U8", "[2]", 2, 4) "}", 4, FIG_ERR_FORMAT, "uplicate");
    expect_refused("{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 1, 3) "}", 3, FIG_ERR_FORMAT, "b overlaps");
    expect_refused("{" T("a", "U8", "[2]", 0, 2) "," T("b", "U8", "[2]", 3, 5) "}", 5, FIG_ERR_FORMAT, "a hole");
    expect_refused("{" T("a", "U8", "[2]", 1, 3) "}", 3, FIG_ERR_FORMAT, "a hole");
    expect_refused("{" T("a", "U8", "[8]", 0, 8) "}", 5, FIG_ERR_FORMAT, "ends 3 bytes behind the end of the file");
    expect_refused("{" T("a", "U8", "[2]", 0, 2) "}", 3, FIG_ERR_FORMAT, "1 bytes follow");
    expect_refused("{\"__metadata__\":{\"a\":1}}", 0, FIG_ERR_FORMAT, "__metadata__");
    expect_refused("{\"a\":7}", 0, FIG_ERR_FORMAT, "no type");
    char header[1200];
    snprintf(header, sizeof header, "{\"%0*d\":{}}", 1000, 0);
    expect_refused(header, 0, FIG_ERR_LIMIT, "name of 1000 bytes");
}

TEST(lists_but_does_not_give_other_types) {
    fig_context *ctx = check_context();
    fig__weights *w;
    const fig__weight *t;
    char *path =
        make_file(ctx, check_tmpdir(), "{" T("a", "F8_E4M3", "[3]", 0, 3) "," T("b", "F4", "[2]", 3, 4) "}", 4);
    if (!EXPECT_OK(ctx, fig__st_open(ctx, path, &w))) return;
    EXPECT_EQ_I(fig__weights_count(w), 2);
    EXPECT_EQ_S(fig__weights_find(w, "a")->dtype_name, "F8_E4M3");
    EXPECT_EQ_I(fig__weights_need(w, "a", -1, NULL, &t), FIG_ERR_UNSUPPORTED);
    EXPECT(strstr(fig_error(ctx), "tensor a is of type F8_E4M3, which is not supported"));
    EXPECT_EQ_I(fig__weights_check_finite(w, fig__weights_find(w, "b")), FIG_ERR_UNSUPPORTED);
    fig__weights_close(w);
}

TEST(need_names_what_is_wrong) {
    fig_context *ctx = check_context();
    fig__weights *w;
    const fig__weight *t;
    char *path = make_file(ctx, check_tmpdir(), "{" T("a", "F32", "[2,3]", 0, 24) "}", 24);
    if (!EXPECT_OK(ctx, fig__st_open(ctx, path, &w))) return;
    EXPECT_OK(ctx, fig__weights_need(w, "a", 2, (size_t[]){2, 3}, &t));
    EXPECT_EQ_I(fig__weights_need(w, "a", 2, (size_t[]){3, 2}, &t), FIG_ERR_SHAPE);
    EXPECT(strstr(fig_error(ctx), "tensor a is [2, 3], but the settings ask for [3, 2]"));
    EXPECT_EQ_I(fig__weights_need(w, "a", 1, (size_t[]){2}, &t), FIG_ERR_SHAPE);
    EXPECT_EQ_I(fig__weights_need(w, "z", -1, NULL, &t), FIG_ERR_FORMAT);
    EXPECT(strstr(fig_error(ctx), "no tensor z"));
    fig__weights_close(w);
}

/* One tensor of each floating type, the last of its four numbers as given. */
static void write_numbers(fig_context *ctx, const char *path, double last) {
    const size_t shape[] = {4};
    const double f64[4] = {1, -2, 0, last};
    const float f32[4] = {1, -2, 0, (float)last};
    const uint16_t bf16[4] = {0, 0, 0, fig__f32_to_bf16((float)last)};
    const uint16_t f16[4] = {0, 0, 0x7bff, isfinite(last) ? 0x3c00 : isnan(last) ? 0x7e00 : 0xfc00};
    fig__st_writer *w;
    if (!EXPECT_OK(ctx, fig__st_writer_new(ctx, path, NULL, &w))) return;
    EXPECT_OK(ctx, fig__st_writer_declare(w, "f64", FIG_F64, 1, shape));
    EXPECT_OK(ctx, fig__st_writer_declare(w, "f32", FIG_F32, 1, shape));
    EXPECT_OK(ctx, fig__st_writer_declare(w, "bf16", FIG_BF16, 1, shape));
    EXPECT_OK(ctx, fig__st_writer_declare(w, "f16", FIG_F16, 1, shape));
    EXPECT_OK(ctx, fig__st_writer_data(w, f64, sizeof f64));
    EXPECT_OK(ctx, fig__st_writer_data(w, f32, 6)); /* parts may end anywhere */
    EXPECT_OK(ctx, fig__st_writer_data(w, (const char *)f32 + 6, sizeof f32 - 6));
    EXPECT_OK(ctx, fig__st_writer_data(w, bf16, sizeof bf16));
    EXPECT_OK(ctx, fig__st_writer_data(w, f16, sizeof f16));
    EXPECT_OK(ctx, fig__st_writer_commit(w));
}

TEST(finds_numbers_that_are_none) {
    fig_context *ctx = check_context();
    char *path = check_path(check_tmpdir(), "n.safetensors");
    const double values[] = {3.0, NAN, INFINITY, -INFINITY};
    for (size_t v = 0; v < FIG_COUNT(values); v++) {
        fig__weights *w;
        write_numbers(ctx, path, values[v]);
        if (!EXPECT_OK(ctx, fig__st_open(ctx, path, &w))) return;
        EXPECT_EQ_I(fig__weights_count(w), 4);
        for (size_t i = 0; i < 4; i++)
            EXPECT_EQ_I(fig__weights_check_finite(w, fig__weights_at(w, i)), v ? FIG_ERR_FORMAT : FIG_OK);
        if (v) EXPECT(strstr(fig_error(ctx), "tensor f16: 1 of 4 numbers are NaN or infinite"));
        fig__weights_close(w);
    }
}

TEST(writes_what_it_reads) {
    fig_context *ctx = check_context();
    char *path = check_path(check_tmpdir(), "out.safetensors");
    fig__json *metadata = fig__json_new_object();
    fig__json_put(metadata, "who", fig__json_new_str("g\xc3\xa9o \"x\""));
    fig__st_writer *w;
    fig__weights *r;
    fig__mapping file;
    const int64_t ids[3] = {-1, 1ll << 40, 7};
    if (!EXPECT_OK(ctx, fig__st_writer_new(ctx, path, metadata, &w))) return;
    EXPECT_OK(ctx, fig__st_writer_declare(w, "ids", FIG_I64, 2, (size_t[]){3, 1}));
    EXPECT_OK(ctx, fig__st_writer_declare(w, "empty", FIG_F32, 1, (size_t[]){0}));
    EXPECT_OK(ctx, fig__st_writer_data(w, ids, sizeof ids));
    EXPECT_OK(ctx, fig__st_writer_commit(w));
    fig__json_free(metadata);
    if (!EXPECT_OK(ctx, fig__st_open(ctx, path, &r))) return;
    EXPECT_EQ_I(((const int64_t *)fig__weights_find(r, "ids")->data)[1], 1ll << 40);
    EXPECT_EQ_I(fig__weights_find(r, "empty")->numel, 0);
    EXPECT_EQ_S(fig__json_str(fig__json_get(fig__weights_metadata(r), "who"), ""), "g\xc3\xa9o \"x\"");
    fig__weights_close(r);
    if (!EXPECT_OK(ctx, fig__file_map(ctx, path, &file))) return;
    EXPECT_EQ_I(file.data[0] % 8, 0); /* the header is padded, so that data is aligned */
    fig__file_unmap(&file);
}

TEST(writer_leaves_nothing_half_done) {
    fig_context *ctx = check_context();
    char *dir = check_tmpdir(), *path = check_path(dir, "out.safetensors");
    fig__st_writer *w;
    fig__paths names = {0};
    const size_t one[] = {1};
    const float x = 1;
    if (!EXPECT_OK(ctx, fig__st_writer_new(ctx, path, NULL, &w))) return;
    EXPECT_OK(ctx, fig__st_writer_declare(w, "a", FIG_F32, 1, one));
    EXPECT_EQ_I(fig__st_writer_declare(w, "a", FIG_F32, 1, one), FIG_ERR_ARG);
    EXPECT_EQ_I(fig__st_writer_declare(w, "__metadata__", FIG_F32, 1, one), FIG_ERR_ARG);
    EXPECT_EQ_I(fig__st_writer_declare(w, "big", FIG_F32, 2, (size_t[]){SIZE_MAX / 2, 4}), FIG_ERR_ARG);
    EXPECT_OK(ctx, fig__st_writer_declare(w, "b", FIG_F32, 1, one));
    EXPECT_OK(ctx, fig__st_writer_data(w, &x, 4));
    EXPECT_EQ_I(fig__st_writer_declare(w, "c", FIG_F32, 1, one), FIG_ERR_ARG);
    EXPECT_EQ_I(fig__st_writer_data(w, (float[]){1, 2}, 8), FIG_ERR_ARG);
    EXPECT_EQ_I(fig__st_writer_commit(w), FIG_ERR_ARG);
    EXPECT(strstr(fig_error(ctx), "4 bytes of the declared tensors were not given"));
    if (!EXPECT_OK(ctx, fig__st_writer_new(ctx, path, NULL, &w))) return;
    fig__st_writer_abort(w);
    EXPECT_OK(ctx, fig__dir_list(ctx, dir, 10, &names));
    EXPECT_EQ_I(names.n, 0);
    fig__paths_deinit(ctx, &names);
}

/* --- several files -------------------------------------------------------------------------------------------*/

static void write_one(fig_context *ctx, const char *dir, const char *file, const char *tensor, float value) {
    fig__st_writer *w;
    if (!EXPECT_OK(ctx, fig__st_writer_new(ctx, check_path(dir, file), NULL, &w))) return;
    EXPECT_OK(ctx, fig__st_writer_declare(w, tensor, FIG_F32, 0, NULL));
    EXPECT_OK(ctx, fig__st_writer_data(w, &value, 4));
    EXPECT_OK(ctx, fig__st_writer_commit(w));
}

static fig_status open_with_index(fig_context *ctx, const char *dir, const char *index, fig__weights **out) {
    EXPECT_OK(ctx, fig__file_write(ctx, check_path(dir, "model.safetensors.index.json"), index, strlen(index)));
    return fig__st_open_model(ctx, dir, out);
}

TEST(opens_models_of_several_files) {
    fig_context *ctx = check_context();
    fig__weights *w;
    char *dir = check_tmpdir();
    EXPECT_EQ_I(fig__st_open_model(ctx, dir, &w), FIG_ERR_NOTFOUND);
    EXPECT(strstr(fig_error(ctx), "no model.safetensors in it"));
    write_one(ctx, dir, "m-1.safetensors", "a", 1);
    write_one(ctx, dir, "m-2.safetensors", "b", 2);
    const char *good = "{\"weight_map\":{\"b\":\"m-2.safetensors\",\"a\":\"m-1.safetensors\"}}";
    if (!EXPECT_OK(ctx, open_with_index(ctx, dir, good, &w))) return;
    EXPECT_EQ_I(fig__weights_count(w), 2);
    EXPECT_NEAR(*(const float *)fig__weights_find(w, "b")->data, 2, 0);
    EXPECT_EQ_S(fig__path_base(fig__weights_find(w, "a")->file), "m-1.safetensors");
    fig__weights_close(w);
}

TEST(refuses_a_wrong_index) {
    fig_context *ctx = check_context();
    fig__weights *w;
    char *dir = check_tmpdir();
    write_one(ctx, dir, "m-1.safetensors", "a", 1);
    write_one(ctx, dir, "m-2.safetensors", "a", 2);
    static const struct {
        const char *index, *says;
        fig_status code;
    } cases[] = {
        {"{}", "no weight_map", FIG_ERR_FORMAT},
        {"{\"weight_map\":{\"a\":\"../x\"}}", "names no file beside it", FIG_ERR_FORMAT},
        {"{\"weight_map\":{\"a\":7}}", "names no file beside it", FIG_ERR_FORMAT},
        {"{\"weight_map\":{\"a\":\"gone.safetensors\"}}", "gone.safetensors", FIG_ERR_NOTFOUND},
        {"{\"weight_map\":{\"z\":\"m-1.safetensors\"}}", "tensor z is not in m-1.safetensors", FIG_ERR_FORMAT},
        {"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}", "a is there twice", FIG_ERR_FORMAT},
    };
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        EXPECT_EQ_I(open_with_index(ctx, dir, cases[i].index, &w), cases[i].code);
        if (!EXPECT(strstr(fig_error(ctx), cases[i].says))) fprintf(stderr, "    said: %s\n", fig_error(ctx));
        EXPECT(!w);
    }
}

TEST(reads_a_file_of_others) {
    const char *path = check_shared("data/tiny-models/silero_vad_16k.safetensors");
    if (!path) SKIP("no shared data");
    fig_context *ctx = check_context();
    fig__weights *w;
    if (!EXPECT_OK(ctx, fig__st_open(ctx, path, &w))) return;
    EXPECT(fig__weights_count(w) > 10);
    for (size_t i = 0; i < fig__weights_count(w); i++)
        EXPECT_OK(ctx, fig__weights_check_finite(w, fig__weights_at(w, i)));
    fig__weights_close(w);
}

/* Every allocation of opening and writing fails once; nothing leaks, and the status says so. */
TEST(survives_failing_allocations) {
    fig_context *ctx = check_context();
    char *dir = check_tmpdir(), *path = check_path(dir, "n.safetensors");
    write_numbers(ctx, path, 1);
    for (uint64_t n = 1; n < 100; n++) {
        fig__weights *w = NULL;
        fig__alloc_fail_after(ctx, n);
        fig_status status = fig__st_open(ctx, path, &w);
        fig__alloc_fail_after(ctx, 0);
        fig__weights_close(w);
        if (!status) {
            EXPECT(n > 5);
            return;
        }
        if (!EXPECT_EQ_I(status, FIG_ERR_NOMEM)) return;
    }
    EXPECT(!"opening never succeeded");
}

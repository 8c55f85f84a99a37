/* .npy arrays: what NumPy writes is read, what we write is what NumPy writes, everything else is refused. */
#include "check.h"
#include "files/npy.h"

/* A version 1.0 file in memory: this header, then n_bytes of 0, 1, 2 ... */
static size_t make(char *file, size_t size, const char *header, size_t n_bytes) {
    size_t len = strlen(header);
    memset(file, 0, size);
    memcpy(file, "\x93NUMPY\x01", 8);
    file[8] = (char)len;
    memcpy(file + 10, header, len);
    for (size_t i = 0; i < n_bytes; i++) file[10 + len + i] = (char)i;
    return 10 + len + n_bytes;
}

static fig_status parse(fig_context *ctx, const char *header, size_t n_bytes, fig__npy *npy) {
    static char file[512];
    return fig__npy_parse(ctx, "x.npy", file, make(file, sizeof file, header, n_bytes), npy);
}

TEST(headers_that_are_read) {
    static const struct {
        const char *header;
        fig_dtype dtype;
        int ndim;
        size_t shape[3], bytes;
        bool fortran;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", FIG_F32, 2, {2, 3}, 24, false},
        {"{\"shape\":(4,),\"descr\":\"|u1\",\"fortran_order\":True}", FIG_U8, 1, {4}, 4, true},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': ()}", FIG_I64, 0, {0}, 8, false},
        {"{'descr': '=f8', 'fortran_order': False, 'shape': (1, 0, 3)}", FIG_F64, 3, {1, 0, 3}, 0, false},
    };
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        fig__npy npy;
        if (!EXPECT_OK(ctx, parse(ctx, cases[i].header, cases[i].bytes, &npy))) continue;
        EXPECT(npy.dtype == cases[i].dtype && npy.ndim == cases[i].ndim && npy.fortran == cases[i].fortran);
        EXPECT(!memcmp(npy.shape, cases[i].shape, (size_t)npy.ndim * sizeof *npy.shape));
        EXPECT_EQ_I(npy.bytes, cases[i].bytes);
        if (npy.bytes) EXPECT(npy.data[0] == 0 && npy.data[1] == 1);
    }
}

TEST(headers_that_are_refused) {
    static const struct {
        const char *header;
        fig_status status;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", FIG_ERR_FORMAT}, /* 32 bytes, 31 are there */
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", FIG_ERR_UNSUPPORTED},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", FIG_ERR_UNSUPPORTED},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, }", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2), }", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", FIG_ERR_FORMAT},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,), }", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 4), }", FIG_ERR_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }", FIG_ERR_FORMAT},
    };
    fig_context *ctx = check_context();
    for (size_t i = 0; i < FIG_COUNT(cases); i++) {
        fig__npy npy;
        if (!EXPECT_EQ_I(parse(ctx, cases[i].header, 31, &npy), cases[i].status))
            fprintf(stderr, "    %s\n", cases[i].header);
    }
}

TEST(a_file_cut_anywhere_is_refused) {
    fig_context *ctx = check_context();
    char file[256];
    size_t len = make(file, sizeof file, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24);
    fig__npy npy;
    EXPECT_OK(ctx, fig__npy_parse(ctx, "x", file, len, &npy));
    for (size_t n = 0; n < len; n++) EXPECT_EQ_I(fig__npy_parse(ctx, "x", file, n, &npy), FIG_ERR_FORMAT);
}

/* Byte for byte what numpy.save makes of numpy.array([[1, 2, 3], [4, 5, 6]], "<f4"). */
TEST(written_as_numpy_writes) {
    fig_context *ctx = check_context();
    const char *path = check_path(check_tmpdir(), "x.npy");
    const float x[6] = {1, 2, 3, 4, 5, 6};
    char want[128 + sizeof x], header[118];
    fig__buf got;
    memcpy(want, "\x93NUMPY\x01\x00\x76", 10);
    want[9] = 0;
    snprintf(header, sizeof header, "%-117s", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
    memcpy(want + 10, header, 117);
    want[127] = '\n';
    memcpy(want + 128, x, sizeof x);
    EXPECT_OK(ctx, fig__npy_write(ctx, path, FIG_F32, 2, (size_t[]){2, 3}, x));
    fig__buf_init(&got, ctx, 1000);
    EXPECT_OK(ctx, fig__file_read(ctx, path, 1000, &got));
    EXPECT(got.len == sizeof want && !memcmp(got.data, want, sizeof want));
    fig__buf_deinit(&got);
}

TEST(round_trip) {
    fig_context *ctx = check_context();
    const char *path = check_path(check_tmpdir(), "x.npy");
    const int32_t x[3] = {1, INT32_MIN, INT32_MAX};
    fig__npy npy;
    int32_t *back = NULL;
    float *floats = NULL;
    EXPECT_OK(ctx, fig__npy_write(ctx, path, FIG_I32, 1, (size_t[]){3}, x));
    if (!EXPECT_OK(ctx, fig__npy_open(ctx, path, &npy))) return;
    EXPECT_EQ_I(fig__npy_ints(ctx, &npy, 2, &back), FIG_ERR_LIMIT);
    EXPECT_EQ_I(fig__npy_floats(ctx, &npy, 3, &floats), FIG_ERR_UNSUPPORTED);
    EXPECT_OK(ctx, fig__npy_ints(ctx, &npy, 3, &back));
    EXPECT(back && !memcmp(back, x, sizeof x));
    fig__free(ctx, back);
    fig__npy_close(&npy);
    EXPECT_EQ_I(fig__npy_write(ctx, path, FIG_F64, 1, (size_t[]){3}, x), FIG_ERR_ARG);
    EXPECT_EQ_I(fig__npy_open(ctx, check_path(check_tmpdir(), "none"), &npy), FIG_ERR_NOTFOUND);
}

/* [2, 3] with the first axis fastest. */
TEST(fortran_order_is_turned) {
    fig_context *ctx = check_context();
    fig__npy npy;
    int32_t *x = NULL;
    EXPECT_OK(ctx, parse(ctx, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}", 6, &npy));
    EXPECT_OK(ctx, fig__npy_ints(ctx, &npy, 6, &x));
    EXPECT(x && !memcmp(x, (int32_t[]){0, 2, 4, 1, 3, 5}, 24));
    fig__free(ctx, x);
}

TEST(wide_numbers_must_fit) {
    fig_context *ctx = check_context();
    fig__npy npy;
    int32_t *x = NULL;
    EXPECT_OK(ctx, parse(ctx, "{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}", 8, &npy));
    EXPECT_EQ_I(fig__npy_ints(ctx, &npy, 6, &x), FIG_ERR_FORMAT); /* 0x0706... */
    EXPECT(strstr(fig_error(ctx), "32 bits"));
}

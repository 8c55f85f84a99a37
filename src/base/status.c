/* base/status.c: texts of status codes and names of element types. */
#include "base/base.h"

static const char *const status_texts[] = {
#define X(name, text) text,
    FIG_STATUS_LIST(X)
#undef X
};

const char *fig_status_text(fig_status status) {
    return (size_t)status < FIG_COUNT(status_texts) ? status_texts[status] : "unknown status";
}

bool fig_status_is_usage(fig_status status) { return status >= FIG_ERR_ARG && status <= FIG_ERR_UNSUPPORTED; }

/* Long names as PyTorch writes them, short ones as safetensors does. */
static const struct {
    const char *name, *short_name;
    size_t size;
} dtypes[FIG_DTYPE_COUNT] = {
    [FIG_F32] = {"float32", "f32", 4}, [FIG_BF16] = {"bfloat16", "bf16", 2}, [FIG_F64] = {"float64", "f64", 8},
    [FIG_I32] = {"int32", "i32", 4},   [FIG_I64] = {"int64", "i64", 8},      [FIG_U8] = {"uint8", "u8", 1},
    [FIG_F16] = {"float16", "f16", 2},
};

size_t fig_dtype_size(fig_dtype dtype) { return dtypes[dtype].size; }

const char *fig_dtype_name(fig_dtype dtype) {
    return (size_t)dtype < FIG_DTYPE_COUNT ? dtypes[dtype].name : "unknown type";
}

bool fig_dtype_parse(const char *name, fig_dtype *out) {
    for (size_t i = 0; i < FIG_COUNT(dtypes); i++) {
        if (!fig__same_text(name, dtypes[i].name) && !fig__same_text(name, dtypes[i].short_name)) continue;
        *out = (fig_dtype)i;
        return true;
    }
    return false;
}

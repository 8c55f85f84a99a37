/* kernels/ref/move_tmpl.c: conversion between storage and blocks of real; transposition. */
#include "real.h"

void REF(load)(size_t n, void *y, const void *x, fig_dtype xt, size_t stride) {
    for (size_t i = 0; i < n; i++) ((real *)y)[i] = ref_get(x, xt, i * stride);
}

void REF(store)(size_t n, void *y, fig_dtype yt, size_t stride, const void *x) {
    for (size_t i = 0; i < n; i++) ref_set(y, yt, i * stride, ((const real *)x)[i]);
}

void REF(transpose)(size_t rows, size_t cols, void *y, size_t ldy, const void *x, size_t ldx, size_t elem_size) {
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            memcpy((char *)y + (c * ldy + r) * elem_size, (const char *)x + (r * ldx + c) * elem_size, elem_size);
}

void REF(fill_move)(figk_table *t) {
    t->load = REF(load);
    t->store = REF(store);
    t->transpose = REF(transpose);
}

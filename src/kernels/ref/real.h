/* kernels/ref/real.h: what the scalar kernels are written in. Each *_tmpl.c is compiled with FIGK_REAL_F32 (the
 * fallback of every machine) and with FIGK_REAL_F64 (the oracle); here the difference is given names. */
#ifndef FIG_REAL_H
#define FIG_REAL_H
#include "kernels/fill.h"
#include <math.h>

#if defined(FIGK_REAL_F64)
typedef double real;
#define REF(name) figk_##name##__ref_f64
#define FIGK_REAL FIG_F64
#define M_REAL(fn) fn
#else
typedef float real;
#define REF(name) figk_##name##__ref_f32
#define FIGK_REAL FIG_F32
#define M_REAL(fn) fn##f
#endif

#define R(x) ((real)(x))
#define m_fabs M_REAL(fabs)
#define m_rint M_REAL(rint)
#define m_sqrt M_REAL(sqrt)
#define m_exp M_REAL(exp)
#define m_log M_REAL(log)
#define m_log1p M_REAL(log1p)
#define m_sin M_REAL(sin)
#define m_cos M_REAL(cos)
#define m_tanh M_REAL(tanh)
#define m_erf M_REAL(erf)
#define m_pow M_REAL(pow)

static inline real ref_get(const void *x, fig_dtype type, size_t i) {
    switch (type) {
    case FIG_F32: return (real)((const float *)x)[i];
    case FIG_BF16: return (real)fig__bf16_to_f32(((const uint16_t *)x)[i]);
    case FIG_F64: return (real)((const double *)x)[i];
    case FIG_I32: return (real)((const int32_t *)x)[i];
    case FIG_U8: return (real)((const uint8_t *)x)[i];
    default: return (real)NAN; /* no kernel takes the other types; wrong use shows */
    }
}

static inline void ref_set(void *y, fig_dtype type, size_t i, real v) {
    switch (type) {
    case FIG_F32: ((float *)y)[i] = (float)v; break;
    case FIG_BF16: ((uint16_t *)y)[i] = fig__f32_to_bf16((float)v); break;
    case FIG_F64: ((double *)y)[i] = (double)v; break;
    default: break;
    }
}

#endif

/* kernels/x86/gemm_x86.h: what the levels take from each other for matrix products. */
#ifndef FIG_GEMM_X86_H
#define FIG_GEMM_X86_H
#include "kernels/gemm.h"

void figk_gemm_store_f32__avx2(const figk_gemm_store *p);
void figk_gemm_store_f32__avx512(const figk_gemm_store *p);
/* Pairs of bf16, 32 columns to a panel of B. */
void figk_gemm_pack_a_bf16__avx512bf16(const figk_gemm_pack *p);
void figk_gemm_pack_b_bf16__avx512bf16(const figk_gemm_pack *p);
const figk_gemm_leaf *figk_gemm_leaf_f32__avx512(bool bf16);
extern const figk_gemm_leaf figk_gemm_leaf_bf16__avx512bf16;

#endif

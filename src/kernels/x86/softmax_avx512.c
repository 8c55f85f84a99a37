/* kernels/x86/softmax_avx512.c: softmax_impl.h compiled for avx512. */
#include "softmax_impl.h"

/* kernels/x86/norm_avx512.c: norm_impl.h compiled for avx512. */
#include "norm_impl.h"

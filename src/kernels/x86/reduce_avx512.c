/* kernels/x86/reduce_avx512.c: reduce_impl.h compiled for avx512. */
#include "reduce_impl.h"

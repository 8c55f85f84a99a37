/* kernels/x86/reduce_avx2.c: reduce_impl.h compiled for avx2. */
#include "reduce_impl.h"

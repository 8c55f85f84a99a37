/* kernels/x86/norm_avx2.c: norm_impl.h compiled for avx2. */
#include "norm_impl.h"

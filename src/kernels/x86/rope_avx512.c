/* kernels/x86/rope_avx512.c: rope_impl.h compiled for avx512. */
#include "rope_impl.h"

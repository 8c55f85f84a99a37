/* kernels/x86/random_avx512.c: random_impl.h compiled for avx512. */
#include "random_impl.h"

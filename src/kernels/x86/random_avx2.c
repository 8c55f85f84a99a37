/* kernels/x86/random_avx2.c: random_impl.h compiled for avx2. */
#include "random_impl.h"

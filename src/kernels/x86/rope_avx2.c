/* kernels/x86/rope_avx2.c: rope_impl.h compiled for avx2. */
#include "rope_impl.h"

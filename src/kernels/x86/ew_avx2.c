/* kernels/x86/ew_avx2.c: ew_impl.h compiled for avx2. */
#include "ew_impl.h"

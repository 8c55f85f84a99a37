/* kernels/x86/ew_avx512.c: ew_impl.h compiled for avx512. */
#include "ew_impl.h"

/* kernels/x86/xent_avx512.c: xent_impl.h compiled for avx512. */
#include "xent_impl.h"

/* kernels/x86/xent_avx2.c: xent_impl.h compiled for avx2. */
#include "xent_impl.h"

/* kernels/x86/optim_avx2.c: optim_impl.h compiled for avx2. */
#include "optim_impl.h"

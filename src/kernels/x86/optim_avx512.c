/* kernels/x86/optim_avx512.c: optim_impl.h compiled for avx512. */
#include "optim_impl.h"

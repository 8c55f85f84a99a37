/* kernels/x86/softmax_avx2.c: softmax_impl.h compiled for avx2. */
#include "softmax_impl.h"

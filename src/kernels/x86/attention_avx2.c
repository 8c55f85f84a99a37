/* kernels/x86/attention_avx2.c: attention_impl.h compiled for avx2. */
#include "attention_impl.h"

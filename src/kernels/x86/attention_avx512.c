/* kernels/x86/attention_avx512.c: attention_impl.h compiled for avx512. */
#include "attention_impl.h"

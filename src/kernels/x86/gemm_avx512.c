#include "kernels/x86/gemm_impl.h"

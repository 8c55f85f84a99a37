/* kernels/x86/move_avx512.c: move_impl.h compiled for avx512. */
#include "move_impl.h"

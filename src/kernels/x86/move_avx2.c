/* kernels/x86/move_avx2.c: move_impl.h compiled for avx2. */
#include "move_impl.h"

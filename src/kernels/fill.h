/* kernels/fill.h: prototypes that kernel sources share: of the fill functions (fills.def) and of the scalar kernels,
 * which a fast kernel calls for the cases it has no fast way for. For files that define kernels and for cpu.c only. */
#ifndef FIG_KERNELS_FILL_H
#define FIG_KERNELS_FILL_H
#include "kernels/kernels.h"

#define FILL_REF(family)                               \
    void figk_fill_##family##__ref_f32(figk_table *t); \
    void figk_fill_##family##__ref_f64(figk_table *t);
#define FILL(family, isa, level) void figk_fill_##family##__##isa(figk_table *t);
#include "kernels/fills.def"
#undef FILL_REF
#undef FILL

#define KERNEL(ret, name, params)      \
    ret figk_##name##__ref_f32 params; \
    ret figk_##name##__ref_f64 params;
#include "kernels/kernels.def"
#undef KERNEL

#endif

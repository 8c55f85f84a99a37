/* kernels/ref/ew_tmpl.c: the micro-ops of ew.def, each as it is defined there. */
#include "real.h"

static real m_gelu_tanh_bwd(real a, real b) {
    const real c = R(0.79788456080286535588), d = R(0.044715); /* sqrt(2 / pi) */
    real t = m_tanh(c * (a + d * a * a * a)), u = 1 - t * t;
    real slope = u == 0 ? 0 : a * u * c * (1 + 3 * d * a * a); /* a * a may be infinite where u is 0 */
    return R(0.5) * b * (1 + t + slope);
}

#define FIGK_EW(name, n_in, expr)                                                                                     \
    static void REF(ew_##name)(size_t n, void *vy, const void *va, const void *vb, const void *vc, const double *p) { \
        real *y = vy;                                                                                                 \
        for (size_t i = 0; i < n; i++) {                                                                              \
            real a = ((const real *)va)[i];                                                                           \
            real b = n_in > 1 ? ((const real *)vb)[i] : 0;                                                            \
            real c = n_in > 2 ? ((const real *)vc)[i] : 0;                                                            \
            (void)b, (void)c, (void)p;                                                                                \
            y[i] = expr;                                                                                              \
        }                                                                                                             \
    }
#include "kernels/ew.def"
#undef FIGK_EW

void REF(fill_ew)(figk_table *t) {
#define FIGK_EW(name, n_in, expr) t->ew[FIGK_EW_##name] = REF(ew_##name);
#include "kernels/ew.def"
#undef FIGK_EW
}

/* kernels/cpu.c: which level this machine has, and the tables of kernels by level.
 *
 * A level counts when the processor has the instructions *and* the operating system saves the registers (XCR0; the
 * tiles of AMX also have to be asked for). Levels are cumulative. All tables are filled once per process, at first
 * use. */
#include "kernels/fill.h"
#include "base/context.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const char *const level_names[FIGK_LEVEL_COUNT] = {"scalar", "avx2", "avx512", "avx512bf16", "amx"};

static struct {
    pthread_once_t once;
    figk_level best;
    figk_table at[FIGK_LEVEL_COUNT], oracle;
} tables = {.once = PTHREAD_ONCE_INIT};

/* --- detection -------------------------------------------------------------------------------------------*/

#if defined(__x86_64__)
#define BIT(word, n) ((word) >> (n) & 1)

typedef struct cpu_features { /* of cpuid leaves 1 and 7 (subleaves 0 and 1), and XCR0 */
    unsigned ecx1, ebx7, edx7, eax71;
    uint64_t saved; /* register sets that the operating system saves */
} cpu_features;

static uint64_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static cpu_features read_features(void) {
    cpu_features f = {0};
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &f.ecx1, &d) || !BIT(f.ecx1, 27) /* OSXSAVE */) return (cpu_features){0};
    f.saved = saved_registers();
    if (__get_cpuid_count(7, 0, &a, &f.ebx7, &c, &f.edx7) && a >= 1) __get_cpuid_count(7, 1, &f.eax71, &b, &c, &d);
    return f;
}

static bool has_avx2(const cpu_features *f) {
    bool fma = BIT(f->ecx1, 12), f16c = BIT(f->ecx1, 29), avx = BIT(f->ecx1, 28), avx2 = BIT(f->ebx7, 5);
    return fma && f16c && avx && avx2 && (f->saved & 0x6) == 0x6;
}

static bool has_avx512(const cpu_features *f) {
    bool foundation = BIT(f->ebx7, 16), dq = BIT(f->ebx7, 17), bw = BIT(f->ebx7, 30), vl = BIT(f->ebx7, 31);
    return foundation && dq && bw && vl && (f->saved & 0xe6) == 0xe6;
}

static bool has_amx(const cpu_features *f) {
    bool bf16 = BIT(f->edx7, 22), tile = BIT(f->edx7, 24);
    if (!bf16 || !tile || (f->saved & 0x60000) != 0x60000) return false;
#if defined(__linux__)
    const long request_permission = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

/* Measured: against fp32, Zen 4 multiplies pairs at twice the rate, Golden Cove at half of it. */
bool figk_fast_pairs(void) {
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b != signature_INTEL_ebx;
}

static figk_level detect(void) {
    cpu_features f = read_features();
    if (!has_avx2(&f)) return FIGK_SCALAR;
    if (!has_avx512(&f)) return FIGK_AVX2;
    if (!BIT(f.eax71, 5)) return FIGK_AVX512;
    return has_amx(&f) ? FIGK_AMX : FIGK_AVX512BF16;
}
#else
bool figk_fast_pairs(void) { return false; }
static figk_level detect(void) { return FIGK_SCALAR; }
#endif

/* --- tables ----------------------------------------------------------------------------------------------*/

typedef struct filler {
    figk_level level;
    void (*fill)(figk_table *t);
} filler;

static const filler float_fillers[] = {
#define FILL_REF(family) {FIGK_SCALAR, figk_fill_##family##__ref_f32},
#define FILL(family, isa, level) {level, figk_fill_##family##__##isa},
#include "kernels/fills.def"
#undef FILL_REF
#undef FILL
};

static const filler double_fillers[] = {
#define FILL_REF(family) {FIGK_SCALAR, figk_fill_##family##__ref_f64},
#define FILL(family, isa, level)
#include "kernels/fills.def"
#undef FILL_REF
#undef FILL
};

static void fill_tables(void) {
    tables.best = detect();
    for (int level = 0; level <= (int)tables.best; level++)
        for (size_t i = 0; i < FIG_COUNT(float_fillers); i++)
            if ((int)float_fillers[i].level <= level) float_fillers[i].fill(&tables.at[level]);
    for (size_t i = 0; i < FIG_COUNT(double_fillers); i++) double_fillers[i].fill(&tables.oracle);
}

figk_level figk_best_level(void) {
    pthread_once(&tables.once, fill_tables);
    return tables.best;
}

const figk_table *figk_at(figk_level level) {
    return (int)level >= 0 && level <= figk_best_level() ? &tables.at[level] : NULL;
}

const figk_table *figk_oracle(void) {
    figk_best_level();
    return &tables.oracle;
}

const figk_table *figk(const fig_context *fig) { return fig->kernels; }

const char *figk_level_name(figk_level level) {
    return (unsigned)level < FIGK_LEVEL_COUNT ? level_names[level] : "unknown";
}

/* --- choice ----------------------------------------------------------------------------------------------*/

static int level_of_name(const char *name) {
    for (int i = 0; i < FIGK_LEVEL_COUNT; i++)
        if (!strcmp(name, level_names[i])) return i;
    return -1;
}

/* "scalar, avx2 or avx512": the first n names. */
static const char *list_levels(int n, char *out, size_t size) {
    size_t len = 0;
    for (int i = 0; i < n && len < size; i++) {
        const char *between = i == 0 ? "" : i == n - 1 ? " or " : ", ";
        len += (size_t)snprintf(out + len, size - len, "%s%s", between, level_names[i]);
    }
    return out;
}

figk_level figk_usual_level(void) {
    figk_level best = figk_best_level();
    return best == FIGK_AVX512BF16 && !figk_fast_pairs() ? FIGK_AVX512 : best;
}

fig_status figk_init(fig_context *fig, const char *level_name) {
    const char *source = "CPU level ", *name = level_name;
    if (!name && (name = getenv("FIG_CPU"))) source = "FIG_CPU=";
    int best = (int)figk_best_level(), level = name && *name ? level_of_name(name) : (int)figk_usual_level();
    char names[64];
    FIG_CHECK(fig, level >= 0, FIG_ERR_ARG, "%s%s: unknown level; use %s", source, name,
              list_levels(FIGK_LEVEL_COUNT, names, sizeof names));
    FIG_CHECK(fig, level <= best, FIG_ERR_UNSUPPORTED, "%s%s: this machine lacks it; use %s", source, name,
              list_levels(best + 1, names, sizeof names));
    fig->cpu_level = level;
    fig->kernels = &tables.at[level];
    return FIG_OK;
}

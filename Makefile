# figment: one Makefile. Sources are found by wildcard; ISA flags belong to file suffixes only.
#
#   make                      build/figment, build/libfigment.a, build/libfigment.so
#   make BUILD=dir CC=clang DEBUG=1 SAN=address,undefined WERROR=1 V=1
#   make install DESTDIR= PREFIX=/usr/local
#   make tests | fuzz | examples | bench | headers | style | clean

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC = gcc
endif
CXX        ?= c++
AR         ?= ar
PKG_CONFIG ?= pkg-config
INSTALL    ?= install

VERSION := $(shell sed -n 's/^\#define FIG_VERSION_STRING "\(.*\)"/\1/p' include/fig/base.h)
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))

# --- libraries -------------------------------------------------------------------------------------------
PKGS := jansson yaml-0.1 libxxhash libpcre2-8 libutf8proc libcrypto libpng libturbojpeg libwebp libwebpmux libarchive
# Without one of these the build works; what needs it names the package. OPTIONAL= builds without them.
OPTIONAL ?= harfbuzz freetype2
NO_BUILD_GOALS := clean style
ifneq ($(filter-out $(NO_BUILD_GOALS),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell $(PKG_CONFIG) --exists $(PKGS) && echo yes),yes)
$(error $(shell $(PKG_CONFIG) --print-errors --exists $(PKGS) 2>&1 | head -n 1) (the README names the packages))
endif
FOUND := $(shell for p in $(OPTIONAL); do $(PKG_CONFIG) --exists $$p && echo $$p; done)
PKGS  += $(FOUND)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS)) $(shell echo $(FOUND:%=-DFIG_HAVE_%) | tr a-z A-Z)
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS))
endif
LIBS := $(PKG_LIBS) -lm -lpthread

# --- flags -----------------------------------------------------------------------------------------------
# No -ffast-math, no -march=native, no contraction: the same source gives the same bits on every machine.
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(if $(WERROR),-Werror)
OPT      := $(if $(DEBUG),-O1,-O2)
KERNEL_OPT := $(if $(DEBUG),-O1,-O3)
BASE_FLAGS := -std=gnu17 -g -fPIC -fno-semantic-interposition -ffp-contract=off -pthread \
              -D_GNU_SOURCE -DFIG_DATADIR=\"$(PREFIX)/share/figment\" -Iinclude -Isrc $(PKG_CFLAGS) $(WARNINGS)
ifneq ($(DEBUG)$(SAN)$(FUZZER),)
# A test build: allocations can be made to fail from outside (FIG_FAIL_ALLOC=n).
BASE_FLAGS += -DFIG_TEST_BUILD
endif
ifeq ($(FUZZER),libfuzzer)
SAN ?= address,undefined
SAN_FLAGS := -fsanitize=fuzzer-no-link
endif
ifneq ($(SAN),)
SAN_FLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# gcc 14 aligns arrays of a frame to 64 bytes and trusts that, while the fake stack gives 32 (GCC bug 110027).
SAN_FLAGS += $(if $(findstring clang,$(shell $(CC) --version)),,--param asan-use-after-return=0)
endif
ALL_CFLAGS  = $(BASE_FLAGS) $(SAN_FLAGS) $(CFLAGS)
ALL_LDFLAGS = $(SAN_FLAGS) -pthread $(LDFLAGS)

AVX2   := -mavx2 -mfma -mf16c
AVX512 := $(AVX2) -mavx512f -mavx512bw -mavx512dq -mavx512vl
isa_flags = $(if $(filter %_avx2.c,$1),$(AVX2))$(if $(filter %_avx512.c,$1),$(AVX512))$(if \
  $(filter %_avx512bf16.c,$1),$(AVX512) -mavx512bf16)$(if \
  $(filter %_amx.c,$1),$(AVX512) -mavx512bf16 -mamx-tile -mamx-bf16)
opt_flags = $(if $(filter src/kernels/%,$1),$(KERNEL_OPT),$(OPT))
# One short line per step; V=1 shows the commands.
Q = $(if $(V),,@echo '  $(1) $@';)
compile = $(call Q,cc) $(CC) $(call opt_flags,$<) $(ALL_CFLAGS) $(call isa_flags,$<) -MMD -MP

# --- sources ---------------------------------------------------------------------------------------------
SRC := $(sort $(wildcard src/*/*.c src/*/*/*.c))
ifneq ($(MACHINE),x86_64)
SRC := $(filter-out src/kernels/x86/%,$(SRC))
endif
ifneq ($(MACHINE),aarch64)
SRC := $(filter-out src/kernels/arm/%,$(SRC))
endif
TMPL    := $(filter src/kernels/ref/%_tmpl.c,$(SRC))
CLI_SRC := $(filter src/cli/%,$(SRC))
LIB_SRC := $(filter-out $(TMPL) $(CLI_SRC),$(SRC))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) \
           $(TMPL:%.c=$(BUILD)/obj/%_f32.o) $(TMPL:%.c=$(BUILD)/obj/%_f64.o)
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/obj/%.o)

TEST_DIRS := unit oom kernels grad golden train
TESTS     := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(foreach d,$(TEST_DIRS),$(wildcard tests/$d/test_*.c))))
FUZZERS   := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
EXAMPLES  := $(patsubst examples/%.c,$(BUILD)/examples/%,$(sort $(wildcard examples/*.c)))
BENCHES   := $(patsubst bench/%.c,$(BUILD)/bench/%,$(sort $(wildcard bench/*.c)))
PUBLIC_HEADERS  := $(sort $(wildcard include/fig/*.h))
# Kernel templates below kernels/ mean something only inside the file that gives them their level.
PRIVATE_HEADERS := $(filter-out src/kernels/x86/% src/kernels/arm/% src/kernels/ref/%,\
                     $(sort $(wildcard src/*/*.h src/*/*/*.h)))

STATIC := $(BUILD)/libfigment.a
SHARED := $(BUILD)/libfigment.so
CLI    := $(BUILD)/figment

.PHONY: all lib tests fuzz examples bench headers style install clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: lib $(if $(CLI_SRC),$(CLI))
lib: $(STATIC) $(SHARED)

# Objects are rebuilt when the compiler or a flag changes.
FLAGS_NOW := $(CC) $(OPT) $(KERNEL_OPT) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(AVX2) $(AVX512)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@

$(BUILD)/obj/%_tmpl_f32.o: %_tmpl.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(compile) -DFIGK_REAL_F32 -c $< -o $@
$(BUILD)/obj/%_tmpl_f64.o: %_tmpl.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(compile) -DFIGK_REAL_F64 -c $< -o $@
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(compile) -c $< -o $@

# The list of members changes when a source comes or goes, so the archive is written anew each time.
$(STATIC): $(LIB_OBJ)
	@rm -f $@
	$(call Q,ar) $(AR) rcs $@ $^

# fig_x is exported, fig__x and everything else is not.
$(BUILD)/figment.map:
	@mkdir -p $(@D)
	@echo '{ global: fig_[a-z]*; local: *; };' > $@
$(SHARED): $(LIB_OBJ) $(BUILD)/figment.map
	$(call Q,ld) $(CC) -shared -Wl,-soname,libfigment.so.0 -Wl,--version-script=$(BUILD)/figment.map \
	  $(if $(SAN_FLAGS),,-Wl,--no-undefined) $(ALL_LDFLAGS) $(LIB_OBJ) $(LIBS) -o $@

$(CLI): $(CLI_OBJ) $(STATIC)
	$(call Q,ld) $(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@

# --- tests -----------------------------------------------------------------------------------------------
tests: $(TESTS)
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(STATIC)
	@mkdir -p $(@D)
	$(call Q,ld) $(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@
# Tests of the program's parts take what they need from its objects.
$(BUILD)/obj/cli.a: $(CLI_OBJ)
	@rm -f $@
	$(call Q,ar) $(AR) rcs $@ $^
$(BUILD)/tests/unit/test_cli_%: $(BUILD)/obj/tests/unit/test_cli_%.o $(BUILD)/obj/cli.a $(STATIC)
	@mkdir -p $(@D)
	$(call Q,ld) $(CC) $(ALL_LDFLAGS) $^ $(LIBS) -o $@
$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(compile) -Itests -c $< -o $@

# With FUZZER=libfuzzer (clang) a searching fuzzer, otherwise a program that replays the corpus folders it is given.
ifeq ($(FUZZER),libfuzzer)
FUZZ_MAIN :=
FUZZ_LINK := -fsanitize=fuzzer
else
FUZZ_MAIN := $(BUILD)/obj/tests/fuzz/replay.o
endif
fuzz: $(FUZZERS)
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(FUZZ_MAIN) $(STATIC)
	@mkdir -p $(@D)
	$(call Q,ld) $(CC) $(ALL_LDFLAGS) $(FUZZ_LINK) $^ $(LIBS) -o $@

# Examples see the installed headers only.
examples: $(EXAMPLES)
$(BUILD)/examples/%: examples/%.c $(STATIC) $(PUBLIC_HEADERS)
	@mkdir -p $(@D)
	$(call Q,cc) $(CC) -std=c11 -O2 -g $(WARNINGS) -Iinclude $(SAN_FLAGS) $< $(STATIC) $(LIBS) -o $@

# Measures kernels; bench/gemm compares with oneDNN 2 where that is installed.
HAS_DNNL = $(shell printf '\043include <dnnl_version.h>\n' | $(CC) -E -dM - 2> /dev/null | grep -q 'MAJOR 2' && echo yes)
bench: $(BENCHES)
$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(STATIC)
	@mkdir -p $(@D)
	$(call Q,ld) $(CC) $(ALL_LDFLAGS) $^ $(if $(filter %/gemm,$@),$(if $(HAS_DNNL),-ldnnl -fopenmp)) $(LIBS) -o $@

# Each header must compile alone; the public ones as C++ too.
headers:
	@for h in $(PUBLIC_HEADERS) $(PRIVATE_HEADERS); do \
	  echo "#include \"$$h\"" | $(CC) $(BASE_FLAGS) -I. -Werror -fsyntax-only -x c - || exit 1; done
	@for h in $(PUBLIC_HEADERS); do \
	  echo "#include \"$$h\"" | $(CXX) -std=c++11 -Wall -Wextra -Werror -I. -Iinclude -fsyntax-only -x c++ - || exit 1; \
	done
	@echo "headers: $(words $(PUBLIC_HEADERS)) public, $(words $(PRIVATE_HEADERS)) private, each compiles alone"

style:
	@tools/check-layers
	@tools/check-style

# --- install ---------------------------------------------------------------------------------------------
D := $(DESTDIR)$(PREFIX)
install: all
	$(INSTALL) -d $(D)/bin $(D)/lib/pkgconfig $(D)/include/fig $(D)/share/man/man1 \
	  $(D)/share/bash-completion/completions $(D)/share/figment/models
	$(INSTALL) -m 755 $(CLI) $(D)/bin/figment
	$(INSTALL) -m 644 $(STATIC) $(D)/lib/libfigment.a
	$(INSTALL) -m 755 $(SHARED) $(D)/lib/libfigment.so.$(VERSION)
	ln -sf libfigment.so.$(VERSION) $(D)/lib/libfigment.so.0
	ln -sf libfigment.so.0 $(D)/lib/libfigment.so
	$(INSTALL) -m 644 $(PUBLIC_HEADERS) $(D)/include/fig
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: figment' 'Description: generative models, native' \
	  'Version: $(VERSION)' 'Requires.private: $(PKGS)' 'Libs: -L$${prefix}/lib -lfigment' \
	  'Libs.private: -lm -lpthread' 'Cflags: -I$${prefix}/include' > $(D)/lib/pkgconfig/figment.pc
	$(CLI) --man > $(D)/share/man/man1/figment.1
	$(CLI) --completion bash > $(D)/share/bash-completion/completions/figment
	if [ -d models ]; then cp -R models/. $(D)/share/figment/models/; fi

clean:
	rm -rf $(BUILD)

-include $(shell [ -d $(BUILD)/obj ] && find $(BUILD)/obj -name '*.d')

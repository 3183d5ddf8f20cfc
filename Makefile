# nephron: one program, one library, built by `make` from C11, libc and pthreads.
#
#   make            nephron, libnephron.a and libnephron.so
#   make check      the fast tests
#   make check-all  every test: sanitizers, both compilers, every instruction set level
#   make demo       the main job on the sample that ships here
#   make study      the whole study on synthetic data: local, federated, centralised; study/report.html
#   make bench      speed on this machine
#   make web        web/nephron.html: prediction in a browser (clang, lld, wasi-libc; CLANG names one)
#   make install    PREFIX=/usr/local: program, library, header, manual, completions; make uninstall takes them away
#   make examples   the programs of apps/examples, against the library that others get
#   make ZLIB=1     use zlib instead of our own inflate and deflate
#   make MPI=1      nephron-mpi too: the sites of a federation shared out to the ranks of MPI
#   make DEPFLAGS=  for a compiler that has no -MMD
#
# For GNU make and BSD make: explicit lists, one a folder, no configure step, no downloads.

CC = cc
CFLAGS = -O2 -g
LD = ld
OBJCOPY = objcopy
STRIP = strip
PREFIX = /usr/local
VERSION = 0.1.0
API = 1
DEPFLAGS = -MMD -MP
NEPHRON_CFLAGS = -std=c11 -D_GNU_SOURCE -DNEPHRON_VERSION='"$(VERSION)"' -I. -Wall -Wextra -ffp-contract=off -fno-math-errno -fPIC -fvisibility=hidden -pthread $(CFLAGS_ZLIB_$(ZLIB)) $(DEPFLAGS)
LIBS = -lm -pthread $(LIBS_ZLIB_$(ZLIB))
ZLIB = 0
MPI = 0
MPICC = mpicc # of Open MPI or MPICH; beside each other on Debian: mpicc.openmpi, mpicc.mpich
PROGRAMS_MPI_1 = nephron-mpi
CFLAGS_ZLIB_1 = -DHAVE_ZLIB
LIBS_ZLIB_1 = -lz

# The library, in reading order: nothing includes from a folder below its own (tests/check_layers.sh).
TENSOR_BASE = tensor/base/zz_placeholder.o
TENSOR_REFERENCE = tensor/reference/zz_placeholder.o
TENSOR_CONV = tensor/conv/zz_placeholder.o
TENSOR_ELEM = tensor/elem/zz_placeholder.o
TENSOR_GRAPH = tensor/graph/zz_placeholder.o
TENSOR_OPS = tensor/ops/zz_placeholder.o
IO_BASE = io/base/zz_placeholder.o
IO_PACK = io/pack/zz_placeholder.o
IO_PICTURE = io/picture/zz_placeholder.o
IO_IMAGE = io/image/zz_placeholder.o
IO_DICOM = io/dicom/zz_placeholder.o
IO_WEIGHTS = io/weights/zz_placeholder.o
IO_FORMATS = io/formats/zz_placeholder.o
NN_DATA = nn/data/zz_placeholder.o
NN_PLAN = nn/plan/zz_placeholder.o
NN_BASELINE = nn/baseline/zz_placeholder.o
NN_MEASURE = nn/measure/zz_placeholder.o
NN_PREPARE = nn/prepare/zz_placeholder.o
NN_NETWORK = nn/network/zz_placeholder.o
NN_TRAIN = nn/train/zz_placeholder.o
NN_FOLDER = nn/folder/zz_placeholder.o
NN_INFER = nn/infer/zz_placeholder.o
NN_DEVICE = nn/device/zz_placeholder.o
FL_BASE = fl/base/zz_placeholder.o
FL_STRATEGY = fl/strategy/zz_placeholder.o
FL_MESSAGE = fl/message/zz_placeholder.o
FL_ROUND = fl/round/zz_placeholder.o
FL_COMPRESS = fl/compress/zz_placeholder.o
FL_PRIVACY = fl/privacy/zz_placeholder.o
FL_FINGERPRINT = fl/fingerprint/zz_placeholder.o
FL_CARRIED = fl/carried/zz_placeholder.o
FL_LOOP = fl/zz_placeholder.o
FL = $(FL_PRIVACY) $(FL_COMPRESS) $(FL_BASE) $(FL_STRATEGY) $(FL_MESSAGE) $(FL_ROUND) $(FL_FINGERPRINT) $(FL_CARRIED) $(FL_LOOP)
LIBRARY = $(TENSOR_BASE) $(TENSOR_REFERENCE) $(TENSOR_CONV) $(TENSOR_ELEM) $(TENSOR_GRAPH) $(TENSOR_OPS) $(IO_BASE) $(IO_PACK) $(IO_PICTURE) $(IO_IMAGE) $(IO_DICOM) $(IO_WEIGHTS) $(IO_FORMATS) $(NN_DATA) $(NN_PLAN) $(NN_MEASURE) $(NN_BASELINE) $(NN_PREPARE) $(NN_NETWORK) $(NN_TRAIN) $(NN_FOLDER) $(NN_INFER) $(NN_DEVICE) build/device_sources.o $(FL)

# The program without main.o is an archive too, so that its checks link like the others.
APPS_BASE = apps/base/zz_placeholder.o
APPS_TRAINING = apps/training/zz_placeholder.o
APPS_BENCH = apps/bench/zz_placeholder.o
APPS_PHANTOM = apps/phantom/zz_placeholder.o
APPS_STUDY = apps/study/zz_placeholder.o
APPS_COMMAND = apps/command/zz_placeholder.o
APPS = $(APPS_BASE) $(APPS_TRAINING) $(APPS_BENCH) $(APPS_PHANTOM) $(APPS_STUDY) $(APPS_COMMAND)

CHECKS_KERNELS = tests/kernels/check_placeholder
CHECKS_TENSOR = tests/unit/tensor/check_placeholder
CHECKS_IO = tests/unit/io/check_placeholder
CHECKS_NN = tests/unit/nn/check_placeholder
CHECKS_FL = tests/unit/fl/check_placeholder
CHECKS_APPS = tests/unit/apps/check_placeholder
CHECKS = $(CHECKS_KERNELS) $(CHECKS_TENSOR) $(CHECKS_IO) $(CHECKS_NN) $(CHECKS_FL) $(CHECKS_APPS)
SCRIPTS = tests/check_layers.sh tests/program/check_carried.sh tests/program/check_cases_io.sh tests/program/check_compare.sh tests/program/check_convert.sh tests/program/check_ensemble.sh tests/program/check_export.sh tests/program/check_habits.sh tests/program/check_hospitals.sh tests/program/check_image_data.sh tests/program/check_library.sh tests/program/check_memory.sh tests/program/check_memory_io.sh tests/program/check_names.sh tests/program/check_nnunet.sh tests/program/check_program.sh tests/program/check_signals.sh tests/program/check_study_program.sh

all: nephron libnephron.a libnephron.so $(PROGRAMS_MPI_$(MPI))

.SUFFIXES: .c .o
.c.o:
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -c $< -o $@
.c:
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -o $@ $< build/apps.a libnephron.a $(LIBS)

# What `nephron export` writes as it is.
EMBEDDED = nn/device/device_kernels.c nn/device/device_kernels.h nn/device/device_main.c
build/device_sources.c: nn/device/embed.sh $(EMBEDDED)
	mkdir -p build
	sh nn/device/embed.sh $(EMBEDDED) >build/device_sources.tmp
	mv build/device_sources.tmp $@
build/device_sources.o: build/device_sources.c

libnephron.a: $(LIBRARY)
	rm -f $@
	ar rcs $@ $(LIBRARY)

# What others link: only the names of fl/nephron.h.
libnephron.so: $(LIBRARY)
	$(CC) $(CFLAGS) -shared -Wl,-soname,libnephron.so.$(API) -o $@ $(LIBRARY) $(LIBS)

build/libnephron.a: $(LIBRARY)
	mkdir -p build
	$(LD) -r -o build/libnephron.o $(LIBRARY)
	$(OBJCOPY) --localize-hidden build/libnephron.o
	rm -f $@
	ar rcs $@ build/libnephron.o

build/apps.a: $(APPS)
	mkdir -p build
	rm -f $@
	ar rcs $@ $(APPS)

nephron: apps/command/main.o build/apps.a libnephron.a
	$(CC) $(CFLAGS) -o $@ apps/command/main.o build/apps.a libnephron.a $(LIBS)

nephron-mpi: apps/mpi/main_mpi.c build/apps.a libnephron.a
	$(MPICC) $(NEPHRON_CFLAGS) $(CFLAGS) -o $@ apps/mpi/main_mpi.c build/apps.a libnephron.a $(LIBS)

$(CHECKS): build/apps.a libnephron.a

-include $(LIBRARY:.o=.d) $(APPS:.o=.d) $(CHECKS:=.d) apps/command/main.d

# The fast tests, under 3 minutes on 2 cores. The last line is "N passed, N failed".
check: nephron $(CHECKS)
	sh tests/run_checks.sh $(CHECKS) $(SCRIPTS)

# The program's sources, one a line: what a compiler needs to be told without this file.
sources: build/device_sources.c
	@for o in $(LIBRARY) $(APPS) apps/command/main.o; do echo $${o%.o}.c; done

check-all: check
	sh tests/check_all.sh $(CHECKS)

demo: nephron
	sh apps/demo.sh

# The main job: every arm trained on a synthetic multi-centre dataset; study/report.html; under 10 minutes.
study: nephron
	./nephron study -o study --preset quick --resume

bench: nephron
	./nephron bench

# Prediction in a browser: web/nephron.html, one file that needs no server. Needs clang with lld and wasi-libc.
web: build/device_sources.c
	CLANG='$(CLANG)' sh apps/web/build.sh $(VERSION) $(LIBRARY:.o=.c)

install: nephron libnephron.so build/libnephron.a
	mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include 	$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions 	$(DESTDIR)$(PREFIX)/share/zsh/site-functions
	cp nephron $(DESTDIR)$(PREFIX)/bin/nephron
	$(STRIP) $(DESTDIR)$(PREFIX)/bin/nephron
	cp fl/nephron.h $(DESTDIR)$(PREFIX)/include/nephron.h
	cp build/libnephron.a $(DESTDIR)$(PREFIX)/lib/libnephron.a
	$(STRIP) --strip-debug $(DESTDIR)$(PREFIX)/lib/libnephron.a
	cp libnephron.so $(DESTDIR)$(PREFIX)/lib/libnephron.so.$(API)
	$(STRIP) --strip-unneeded $(DESTDIR)$(PREFIX)/lib/libnephron.so.$(API)
	ln -sf libnephron.so.$(API) $(DESTDIR)$(PREFIX)/lib/libnephron.so
	printf 'prefix=%s\nName: nephron\nDescription: federated 3D medical imaging\nVersion: %s\nLibs: -L%s/lib -lnephron\nLibs.private: %s\nCflags: -I%s/include\n' 	'$(PREFIX)' '$(VERSION)' '$(PREFIX)' '$(LIBS)' '$(PREFIX)' >$(DESTDIR)$(PREFIX)/lib/pkgconfig/nephron.pc
	sh apps/install/make_man.sh ./nephron $(DESTDIR)$(PREFIX)/share/man/man1
	sh apps/install/make_completion.sh ./nephron bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nephron
	sh apps/install/make_completion.sh ./nephron zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nephron

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/nephron $(DESTDIR)$(PREFIX)/include/nephron.h $(DESTDIR)$(PREFIX)/lib/libnephron.a 	$(DESTDIR)$(PREFIX)/lib/libnephron.so $(DESTDIR)$(PREFIX)/lib/libnephron.so.$(API) 	$(DESTDIR)$(PREFIX)/lib/pkgconfig/nephron.pc $(DESTDIR)$(PREFIX)/share/man/man1/nephron.1 	$(DESTDIR)$(PREFIX)/share/man/man1/nephron-*.1 	$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nephron 	$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nephron

EXAMPLES = build/predict_one build/train_memory build/federate_two build/list_model build/worker
examples: $(EXAMPLES)
$(EXAMPLES): build/libnephron.a
	$(CC) -std=c11 $(CFLAGS) -Ifl -o $@ apps/examples/$(@F).c build/libnephron.a $(LIBS)

clean:
	rm -f nephron nephron-mpi libnephron.a libnephron.so *.[do] */*.[do] */*/*.[do] */*/*/*.[do] $(CHECKS)
	rm -rf demo build web

.PHONY: all check check-all sources demo study bench web install uninstall examples clean

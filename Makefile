# nephron: one program, one library, built by `make` from C11, libc and pthreads.
#
#   make            nephron and libnephron.a
#   make check      the fast tests
#   make check-all  every test: sanitizers, both compilers, every instruction set level
#   make demo       the main job on the sample that ships here
#   make bench      speed on this machine
#   make install    PREFIX=/usr/local
#   make ZLIB=1     use zlib instead of our own inflate and deflate
#
# For GNU make and BSD make: explicit lists, no configure step, no downloads.

CC = cc
CFLAGS = -O2 -g
PREFIX = /usr/local
VERSION = 0.1.0
NEPHRON_CFLAGS = -std=c11 -D_GNU_SOURCE -DNEPHRON_VERSION='"$(VERSION)"' -I. -Wall -Wextra -ffp-contract=off -pthread
LIBS = -lm -pthread

TENSOR = tensor/check.o tensor/cpu.o tensor/pool.o tensor/rng.o tensor/vmath.o tensor/model.o tensor/graph.o \
	tensor/plan_memory.o tensor/ops_conv.o tensor/ops_norm.o tensor/ops_shape.o tensor/ops_loss.o \
	tensor/elem.o tensor/elem_scalar.o tensor/elem_avx2.o tensor/elem_avx512.o tensor/elem_neon.o \
	tensor/conv.o tensor/conv_ref.o tensor/conv_scalar.o tensor/conv_avx2.o tensor/conv_avx512.o tensor/conv_neon.o
IO = io/error.o io/file.o io/inflate.o io/deflate.o io/gzip.o io/zip.o io/sha256.o io/volume.o io/nifti.o io/png.o \
	io/json.o io/json_write.o io/csv.o io/npy.o io/safetensors.o io/svg.o
NN = nn/dataset.o nn/splits.o nn/fingerprint.o nn/plan.o nn/plan_json.o nn/preprocess.o nn/resample.o nn/case_store.o \
	nn/unet.o nn/resnet.o nn/optim.o nn/checkpoint.o nn/train.o nn/classify.o nn/augment.o nn/sampler.o nn/sliding.o \
	nn/metrics.o nn/surface.o nn/stats.o nn/stats_auc.o nn/infer.o nn/run.o
FL = fl/fedavg.o fl/history.o fl/federate.o
APPS = apps/main.o apps/options.o apps/progress.o apps/overlay.o apps/training.o apps/training_data.o apps/segmenter.o apps/predictions.o apps/validation.o apps/cmd_info.o apps/cmd_plan.o apps/cmd_train.o \
	apps/cmd_federate.o apps/cmd_predict.o apps/cmd_evaluate.o apps/cmd_compare.o apps/cmd_bench.o
CHECKS = tests/check_tensor tests/check_kernels tests/check_elem tests/check_gradients tests/check_io tests/check_formats \
	tests/check_data tests/check_networks tests/check_learning tests/check_metrics

all: nephron libnephron.a

.SUFFIXES: .c .o
.c.o:
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -c $< -o $@

libnephron.a: $(TENSOR) $(IO) $(NN) $(FL)
	rm -f $@
	ar rcs $@ $(TENSOR) $(IO) $(NN) $(FL)

nephron: $(APPS) libnephron.a
	$(CC) $(CFLAGS) -o $@ $(APPS) libnephron.a $(LIBS)

clean:
	rm -f nephron libnephron.a */*.o tests/check_tensor

.PHONY: all clean

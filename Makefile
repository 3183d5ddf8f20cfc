# nephron: one program, one library, built by `make` from C11, libc and pthreads.
#
#   make            nephron and libnephron.a
#   make check      the fast tests
#   make check-all  every test: sanitizers, both compilers, every instruction set level
#   make demo       the main job on the sample that ships here
#   make study     the whole study on synthetic data: local, federated, centralised; study/report.html
#   make bench      speed on this machine
#   make install    PREFIX=/usr/local
#   make ZLIB=1     use zlib instead of our own inflate and deflate
#
# For GNU make and BSD make: explicit lists, no configure step, no downloads.

CC = cc
CFLAGS = -O2 -g
PREFIX = /usr/local
VERSION = 0.1.0
NEPHRON_CFLAGS = -std=c11 -D_GNU_SOURCE -DNEPHRON_VERSION='"$(VERSION)"' -I. -Wall -Wextra -ffp-contract=off -fno-math-errno -pthread
LIBS = -lm -pthread

TENSOR = tensor/check.o tensor/cpu.o tensor/pool.o tensor/rng.o tensor/rng_normals.o tensor/vmath.o tensor/model.o tensor/graph.o \
	tensor/plan_memory.o tensor/ops.o tensor/ops_conv.o tensor/ops_norm.o tensor/ops_shape.o tensor/ops_loss.o \
	tensor/elem.o tensor/elem_norm.o tensor/elem_pool.o tensor/elem_loss.o \
	tensor/elem_scalar.o tensor/elem_avx2.o tensor/elem_avx512.o tensor/elem_neon.o \
	tensor/conv.o tensor/conv_gather.o tensor/conv_thin.o tensor/conv_outer.o tensor/conv_winograd.o tensor/conv_ref.o tensor/conv_scalar.o tensor/conv_avx2.o \
	tensor/conv_avx512.o tensor/conv_neon.o tensor/conv_tiles.o tensor/conv_tiles_window.o tensor/conv_tiles_outer.o tensor/conv_tiles_portable.o \
	tensor/conv_winograd_bf16.o tensor/conv_winograd_avx512bf16.o tensor/conv_tiles_avx512bf16.o tensor/conv_tiles_amx.o
IO = io/error.o io/file.o io/inflate.o io/deflate.o io/gzip.o io/zip.o io/sha256.o io/volume.o io/voxels.o io/imagetext.o io/nifti.o io/dicom.o io/dicom_pixels.o io/dicom_series.o io/dicom_order.o io/jpeg_lossless.o io/nrrd.o io/metaimage.o io/png.o io/png_read.o io/tiff.o io/tiff_codec.o \
	io/text.o io/json.o io/json_write.o io/csv.o io/npy.o io/safetensors.o io/pickle.o io/pth.o io/svg.o io/onnx.o
NN = nn/dataset.o nn/dataset_json.o nn/sample.o nn/splits.o nn/outputs.o nn/fingerprint.o nn/plan.o nn/plan_json.o nn/preprocess.o nn/restore.o nn/resample.o nn/case_store.o \
	nn/unet.o nn/resnet.o nn/optim.o nn/checkpoint.o nn/train.o nn/classify.o nn/augment.o nn/previous.o nn/sampler.o nn/sliding.o \
	nn/metrics.o nn/surface.o nn/stats.o nn/stats_auc.o nn/stats_calibration.o nn/infer.o nn/run.o nn/nnunet.o nn/postprocess.o nn/onnx_export.o
FL = fl/fedavg.o fl/history.o fl/federate.o
APPS = apps/main.o apps/options.o apps/progress.o apps/overlay.o apps/training.o apps/training_data.o apps/budget.o apps/segmenter.o apps/predictions.o apps/evaluation.o apps/labelmap.o apps/crossval.o apps/ensemble.o apps/cmd_ensemble.o apps/cmd_best.o apps/cmd_postprocess.o apps/scores.o apps/validation.o apps/cmd_info.o apps/cmd_plan.o apps/cmd_train.o \
	apps/cmd_federate.o apps/cmd_predict.o apps/cmd_evaluate.o apps/cmd_compare.o apps/cmd_bench.o apps/cmd_convert.o apps/bench_kernels.o apps/bench_networks.o
PHANTOM = apps/cmd_phantom.o apps/phantom/lattice.o apps/phantom/anatomy.o apps/phantom/tumour.o apps/phantom/signal.o \
	apps/phantom/sites.o apps/phantom/render.o apps/phantom/probe.o
STUDY = apps/cmd_study.o apps/study/study_data.o apps/study/study_train.o apps/study/study_estimate.o apps/study/study_segment.o apps/study/study_classify.o \
	apps/study/study_results.o apps/study/study_tables.o apps/study/report.o apps/study/report_plot.o apps/study/report_cohort.o \
	apps/study/report_segment.o apps/study/report_classify.o apps/study/report_pictures.o apps/study/report_methods.o
HEADERS = tensor/check.h tensor/bf16.h tensor/cpu.h tensor/isa.h tensor/pool.h tensor/rng.h tensor/vmath.h tensor/conv.h tensor/graph.h \
	tensor/ops.h tensor/node.h tensor/elem.h tensor/elem_kernels.h tensor/elem_template.h tensor/elem_template_norm.h \
	tensor/elem_template_pool.h tensor/elem_template_loss.h tensor/vec_scalar.h tensor/vec_avx2.h tensor/vec_avx512.h tensor/vec_avx512bf16.h \
	tensor/vec_neon.h tensor/conv_kernels.h tensor/conv_tiles.h tensor/conv_winograd_bf16.h tensor/conv_template_amx.h tensor/conv_template.h tensor/conv_template_winograd.h \
	io/error.h io/file.h io/gzip.h io/zip.h io/sha256.h io/volume.h io/voxels.h io/imagetext.h io/nifti.h io/dicom.h io/dicom_file.h io/dicom_series.h io/jpeg_lossless.h io/nrrd.h io/metaimage.h io/png.h io/tiff.h io/tiff_codec.h io/text.h io/json.h io/csv.h io/npy.h \
	io/safetensors.h io/pickle.h io/pth.h io/svg.h io/onnx.h \
	nn/dataset.h nn/splits.h nn/plan.h nn/outputs.h nn/preprocess.h nn/restore.h nn/unet.h nn/resnet.h nn/optim.h nn/checkpoint.h nn/train.h \
	nn/classify.h nn/augment.h nn/previous.h nn/sampler.h nn/sliding.h nn/metrics.h nn/stats.h nn/infer.h nn/run.h nn/nnunet.h nn/postprocess.h nn/onnx_export.h \
	fl/fedavg.h fl/history.h fl/federate.h \
	apps/options.h apps/progress.h apps/overlay.h apps/training.h apps/budget.h apps/segmenter.h apps/predictions.h apps/evaluation.h apps/labelmap.h apps/crossval.h apps/ensemble.h apps/scores.h apps/bench.h \
	apps/phantom/probe.h apps/study/study.h apps/study/study_results.h apps/study/study_tables.h apps/study/report.h apps/study/report_plot.h \
	apps/phantom/lattice.h apps/phantom/anatomy.h apps/phantom/tumour.h apps/phantom/signal.h apps/phantom/sites.h apps/phantom/render.h \
	tests/expect.h tests/levels.h tests/conv_case.h tests/dicom_build.h tests/data_golden.h tests/conv_plane_ref.h tests/lcg.h tests/elem_bench.h tests/op_bench.h
CHECKS = tests/check_images tests/check_tensor tests/check_kernels tests/check_winograd tests/check_tiles tests/check_elem tests/check_pool_loss tests/check_gradients tests/check_ops tests/check_graph tests/check_io tests/check_pth tests/check_dicom tests/check_dicom_series tests/check_formats \
	tests/check_resample tests/check_data tests/check_plan tests/check_networks tests/check_nnunet tests/check_onnx tests/check_train tests/check_learning tests/check_ensemble tests/check_metrics tests/check_federated tests/check_phantom tests/check_study

all: nephron libnephron.a

.SUFFIXES: .c .o
.c.o:
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -c $< -o $@
.c:
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -o $@ $< libnephron.a $(LIBS)

$(TENSOR) $(IO) $(NN) $(FL) $(APPS) $(PHANTOM) $(STUDY): $(HEADERS)
$(CHECKS): libnephron.a

libnephron.a: $(TENSOR) $(IO) $(NN) $(FL)
	rm -f $@
	ar rcs $@ $(TENSOR) $(IO) $(NN) $(FL)

nephron: $(APPS) $(PHANTOM) $(STUDY) libnephron.a
	$(CC) $(CFLAGS) -o $@ $(APPS) $(PHANTOM) $(STUDY) libnephron.a $(LIBS)

# The phantom is no part of the library; its check runs the command too.
tests/check_phantom: tests/check_phantom.c $(PHANTOM) apps/options.o apps/progress.o libnephron.a
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -o $@ tests/check_phantom.c $(PHANTOM) apps/options.o apps/progress.o libnephron.a $(LIBS)

tests/check_ensemble: tests/check_ensemble.c apps/ensemble.o apps/labelmap.o apps/crossval.o apps/evaluation.o libnephron.a
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -o $@ tests/check_ensemble.c apps/ensemble.o apps/labelmap.o apps/crossval.o apps/evaluation.o libnephron.a $(LIBS)

tests/check_study: tests/check_study.c $(STUDY) $(PHANTOM) apps/options.o apps/budget.o apps/progress.o apps/evaluation.o apps/segmenter.o apps/predictions.o libnephron.a
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -o $@ tests/check_study.c $(STUDY) $(PHANTOM) apps/options.o apps/budget.o apps/progress.o apps/evaluation.o apps/segmenter.o \
		apps/predictions.o libnephron.a $(LIBS)

# The fast tests, under 3 minutes on 2 cores. The last line is "N passed, N failed".
check: nephron $(CHECKS)
	sh tests/run_checks.sh tests/check_layers.sh $(CHECKS) tests/check_convert.sh tests/check_image_data.sh tests/check_program.sh tests/check_nnunet.sh tests/check_ensemble.sh tests/check_study_program.sh

check-all: check
	sh tests/check_all.sh $(CHECKS)

demo: nephron
	sh apps/demo.sh

# The main job: a synthetic multi-centre dataset, every arm trained, statistics, study/report.html; under 10 minutes on 2 cores.
study: nephron
	./nephron study -o study --preset quick

bench: nephron
	./nephron bench

install: nephron libnephron.a
	mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib
	cp nephron $(DESTDIR)$(PREFIX)/bin/
	cp libnephron.a $(DESTDIR)$(PREFIX)/lib/
	for d in tensor io nn fl; do mkdir -p $(DESTDIR)$(PREFIX)/include/nephron/$$d && \
		cp $$d/*.h $(DESTDIR)$(PREFIX)/include/nephron/$$d/; done

clean:
	rm -f nephron libnephron.a */*.o apps/phantom/*.o apps/study/*.o $(CHECKS)
	rm -rf demo build

.PHONY: all check check-all demo study bench install clean

# nephron: one program, one library, built by `make` from C11, libc and pthreads.
#
#   make            nephron, libnephron.a and libnephron.so
#   make check      the fast tests
#   make lint       warnings of gcc and clang, cppcheck, clang-tidy
#   make coverage   lines and branches that the fast tests run
#   make check-bits one set of hashes over compilers, levels, threads and machines
#   make check-all  every test: sanitizers, both compilers, every instruction set level
#   make demo       the main job on the sample that ships here
#   make study      the whole study on synthetic data: local, federated, centralised; study/report.html
#   make bench      speed on this machine
#   make book       book/book.html: how all of it works, with the code as the text
#   make exercises  the programs of docs/exercises, which answer what the book asks
#   make ladder     a convolution from plain loops to the library's kernels, tested and timed
#   make web        web/nephron.html: prediction in a browser (clang, lld, wasi-libc; CLANG names one)
#   make install    PREFIX=/usr/local: program, library, header, manual, completions; make uninstall takes
#                   them away
#   make examples   the programs of apps/examples, against the library that others get
#   make ZLIB=1     use zlib instead of our own inflate and deflate
#   make MPI=1      nephron-mpi too: the sites of a federation shared out to the ranks of MPI
#   make DEPFLAGS=  for a compiler that has no -MMD
#
# For GNU make and BSD make: explicit lists, one a folder, no configure step, no downloads.

CC = cc
CFLAGS = -O2 -g
CFLAGS_CHECKS = -O0 -g0 -Wl,-S # of the checks: building takes longer than running them; empty for a debugger
LD = ld
OBJCOPY = objcopy
STRIP = strip
PREFIX = /usr/local
VERSION = 0.1.0
API = 1
DEPFLAGS = -MMD -MP
NEPHRON_CFLAGS = -std=c11 -D_GNU_SOURCE -DNEPHRON_VERSION='"$(VERSION)"' -I. -Wall -Wextra -ffp-contract=off \
	-fno-math-errno -fPIC -fvisibility=hidden -pthread $(CFLAGS_ZLIB_$(ZLIB)) $(DEPFLAGS)
LIBS = -lm -pthread $(LIBS_ZLIB_$(ZLIB))
ZLIB = 0
MPI = 0
MPICC = mpicc # of Open MPI or MPICH; beside each other on Debian: mpicc.openmpi, mpicc.mpich
PROGRAMS_MPI_1 = nephron-mpi
CFLAGS_ZLIB_1 = -DHAVE_ZLIB
LIBS_ZLIB_1 = -lz

# The library, in reading order: nothing includes from a folder below its own (tests/check_layers.sh).
TENSOR_BASE = tensor/base/amx.o tensor/base/check.o tensor/base/clock.o tensor/base/cpu.o \
	tensor/base/level_kernels.o tensor/base/pool.o tensor/base/pool_take.o tensor/base/rng.o \
	tensor/base/rng_normals.o tensor/base/vmath.o tensor/base/vmath_many.o
TENSOR_REFERENCE = tensor/reference/conv_ref.o
TENSOR_CONV = tensor/conv/conv.o tensor/conv/conv_algorithm.o tensor/conv/conv_avx2.o \
	tensor/conv/conv_avx512.o tensor/conv/conv_bias.o tensor/conv/conv_kernels.o tensor/conv/conv_neon.o \
	tensor/conv/conv_problem.o tensor/conv/conv_scalar.o tensor/conv/conv_wasm.o
TENSOR_DIRECT = tensor/direct/exchanged.o tensor/direct/gather_axes.o tensor/direct/gather_cut.o \
	tensor/direct/gather_pack.o tensor/direct/gather_walk.o tensor/direct/outer_cut.o \
	tensor/direct/outer_pack.o tensor/direct/outer_walk.o tensor/direct/thin.o
TENSOR_WINOGRAD = tensor/winograd/int16_avx512vnni.o tensor/winograd/int16_cut.o \
	tensor/winograd/int16_outer.o tensor/winograd/int16_pack.o tensor/winograd/int16_walk.o \
	tensor/winograd/winograd_cut.o tensor/winograd/winograd_form.o tensor/winograd/winograd_outer.o \
	tensor/winograd/winograd_pack.o tensor/winograd/winograd_walk.o
TENSOR_TILES = tensor/tiles/peak.o tensor/tiles/tiles_amx.o tensor/tiles/tiles_avx512bf16.o \
	tensor/tiles/tiles_cut.o tensor/tiles/tiles_outer_cut.o tensor/tiles/tiles_outer_pack.o \
	tensor/tiles/tiles_outer_points.o tensor/tiles/tiles_outer_walk.o tensor/tiles/tiles_pack.o \
	tensor/tiles/tiles_points.o tensor/tiles/tiles_portable.o tensor/tiles/tiles_walk.o \
	tensor/tiles/tiles_window.o
TENSOR_ELEM = tensor/elem/elem.o tensor/elem/elem_avx2.o tensor/elem/elem_avx512.o tensor/elem/elem_loss.o \
	tensor/elem/elem_neon.o tensor/elem/elem_norm.o tensor/elem/elem_pooling.o tensor/elem/elem_ref.o \
	tensor/elem/elem_scalar.o tensor/elem/elem_wasm.o
TENSOR_GRAPH = tensor/graph/graph.o tensor/graph/graph_layout.o tensor/graph/graph_shape.o \
	tensor/graph/machine.o tensor/graph/model.o tensor/graph/plan_memory.o
TENSOR_OPS = tensor/ops/ops.o tensor/ops/ops_conv.o tensor/ops/ops_loss.o tensor/ops/ops_norm.o \
	tensor/ops/ops_shape.o
IO_BASE = io/base/bytes.o io/base/csv.o io/base/error.o io/base/file.o io/base/file_names.o \
	io/base/json.o io/base/json_write.o io/base/lock.o io/base/sha256.o io/base/text.o
IO_PACK = io/pack/deflate.o io/pack/gzip.o io/pack/inflate.o io/pack/zip.o
IO_PICTURE = io/picture/letters.o io/picture/png.o io/picture/svg.o
IO_IMAGE = io/image/grids.o io/image/image_format.o io/image/imagetext.o io/image/metaimage.o \
	io/image/nifti.o io/image/nrrd.o io/image/png_volume.o io/image/volume.o io/image/voxels.o
IO_TIFF = io/tiff/tiff.o io/tiff/tiff_codec.o io/tiff/tiff_file.o io/tiff/tiff_stack.o io/tiff/tiff_write.o
IO_JPEG = io/jpeg/jpeg_2000.o io/jpeg/jpeg_2000_block.o io/jpeg/jpeg_2000_tile.o \
	io/jpeg/jpeg_2000_wavelet.o io/jpeg/jpeg_baseline.o io/jpeg/jpeg_lossless.o io/jpeg/jpeg_ls.o \
	io/jpeg/jpeg_stream.o
IO_DICOM = io/dicom/dicom.o io/dicom/dicom_order.o io/dicom/dicom_pixels.o io/dicom/dicom_reference.o \
	io/dicom/dicom_rtstruct.o io/dicom/dicom_seg.o io/dicom/dicom_segments.o io/dicom/dicom_series.o \
	io/dicom/dicom_slices.o io/dicom/dicom_write.o
IO_WEIGHTS = io/weights/npy.o io/weights/npz_weights.o io/weights/onnx.o io/weights/onnx_summary.o \
	io/weights/pickle.o io/weights/pth.o io/weights/pth_legacy.o io/weights/pth_tensors.o \
	io/weights/safetensors.o io/weights/seal.o io/weights/weights_format.o
IO_FORMATS = io/formats/image_formats.o io/formats/weights_formats.o
NN_DATA = nn/data/components.o nn/data/covariates.o nn/data/crop.o nn/data/dataset.o nn/data/dataset_json.o \
	nn/data/labelmap.o nn/data/nnunet_paths.o nn/data/previous_map.o \
	nn/data/roles.o nn/data/sample.o nn/data/sample_files.o nn/data/sites.o nn/data/splits.o
NN_PLAN = nn/plan/fingerprint.o nn/plan/orientation.o nn/plan/outputs.o nn/plan/plan.o
NN_BASELINE = nn/baseline/boosting.o nn/baseline/logistic.o
NN_STATS = nn/stats/stats.o nn/stats/stats_agreement.o nn/stats/stats_auc.o nn/stats/stats_auc_delong.o \
	nn/stats/stats_auc_interval.o nn/stats/stats_bootstrap.o nn/stats/stats_calibration.o \
	nn/stats/stats_distributions.o nn/stats/stats_paired.o nn/stats/stats_power.o \
	nn/stats/stats_proportion.o nn/stats/stats_rank.o nn/stats/stats_seeds.o
NN_MEASURE = nn/measure/classification.o nn/measure/evaluation.o nn/measure/metric.o \
	nn/measure/overlap.o nn/measure/summary.o nn/measure/surface.o
NN_PREPARE = nn/prepare/case_store.o nn/prepare/prepared.o nn/prepare/preprocess.o \
	nn/prepare/previous.o nn/prepare/resample.o nn/prepare/restore.o
NN_NETWORK = nn/network/init.o nn/network/network.o nn/network/network_norm.o nn/network/networks.o \
	nn/network/resnet.o nn/network/segresnet.o nn/network/unet.o
NN_PLANNER = nn/planner/planner.o nn/planner/plans.o nn/planner/plans_json.o \
	nn/planner/plans_json_read.o
NN_OPTIMIZE = nn/optimize/losses.o nn/optimize/optimizer.o nn/optimize/optimizer_adam.o \
	nn/optimize/optimizer_sgd.o nn/optimize/optimizers.o nn/optimize/schedule.o \
	nn/optimize/weight_average.o
NN_BATCH = nn/batch/augment.o nn/batch/deform.o nn/batch/intensity.o nn/batch/sampler.o
NN_TRAIN = nn/train/checkpoint.o nn/train/classifier.o nn/train/classify.o nn/train/learner_data.o \
	nn/train/task.o nn/train/task_classify.o nn/train/task_segment.o nn/train/train.o \
	nn/train/train_covariates.o nn/train/train_options.o
NN_FOLDER = nn/folder/nnunet.o nn/folder/nnunet_properties.o nn/folder/onnx_export.o \
	nn/folder/pretrained.o nn/folder/run.o
NN_INFER = nn/infer/crossval.o nn/infer/ensemble.o nn/infer/infer.o nn/infer/postprocess.o \
	nn/infer/segmenter.o nn/infer/sliding.o
NN_DEVICE = nn/device/device_export.o nn/device/device_kernels.o nn/device/device_program.o
FL_BASE = fl/base/exact_sum.o fl/base/vector.o
FL_STRATEGY = fl/strategy/robust.o fl/strategy/strategy.o fl/strategy/strategy_bulyan.o \
	fl/strategy/strategy_ditto.o fl/strategy/strategy_fedavg.o fl/strategy/strategy_fedavgm.o \
	fl/strategy/strategy_fedbn.o fl/strategy/strategy_feddyn.o fl/strategy/strategy_fednova.o \
	fl/strategy/strategy_fedopt.o fl/strategy/strategy_fedprox.o fl/strategy/strategy_geomedian.o \
	fl/strategy/strategy_krum.o fl/strategy/strategy_median.o fl/strategy/strategy_qfedavg.o \
	fl/strategy/strategy_scaffold.o fl/strategy/strategy_table.o fl/strategy/strategy_trimmed.o
FL_MESSAGE = fl/message/agreement.o fl/message/message.o fl/message/vectors.o
FL_ROUND = fl/round/client.o fl/round/history.o fl/round/private.o fl/round/secure_round.o fl/round/server.o \
	fl/round/site_state.o fl/round/site_store.o
FL_COMPRESS = fl/compress/compress.o fl/compress/compress_bf16.o fl/compress/compress_int8.o \
	fl/compress/compress_topk.o
FL_PRIVACY = fl/privacy/accountant.o fl/privacy/chacha20.o fl/privacy/dp.o fl/privacy/hkdf.o \
	fl/privacy/randomness.o fl/privacy/secure_common.o fl/privacy/secure_server.o \
	fl/privacy/secure_site.o fl/privacy/shamir.o fl/privacy/x25519.o
FL_FINGERPRINT = fl/fingerprint/fingerprint_json.o fl/fingerprint/site_fingerprint.o
FL_CARRIED = fl/carried/aggregate.o fl/carried/carried.o fl/carried/carried_aggregate.o \
	fl/carried/carried_result.o fl/carried/carried_secure.o fl/carried/carried_site.o \
	fl/carried/secure_aggregate.o
FL_LOOP = fl/federate.o fl/federate_records.o fl/nephron.o fl/nephron_federation.o fl/nephron_predict.o \
	fl/nephron_train.o fl/partition.o fl/peers.o fl/run_files.o fl/site_models.o
FL = $(FL_PRIVACY) $(FL_COMPRESS) $(FL_BASE) $(FL_STRATEGY) $(FL_MESSAGE) $(FL_ROUND) $(FL_FINGERPRINT) \
	$(FL_CARRIED) $(FL_LOOP)
LIBRARY = $(TENSOR_BASE) $(TENSOR_REFERENCE) $(TENSOR_CONV) $(TENSOR_DIRECT) $(TENSOR_WINOGRAD) \
	$(TENSOR_TILES) $(TENSOR_ELEM) $(TENSOR_GRAPH) $(TENSOR_OPS) $(IO_BASE) $(IO_PACK) $(IO_PICTURE) \
	$(IO_IMAGE) $(IO_TIFF) $(IO_JPEG) $(IO_DICOM) $(IO_WEIGHTS) $(IO_FORMATS) $(NN_DATA) $(NN_PLAN) \
	$(NN_STATS) $(NN_MEASURE) $(NN_BASELINE) $(NN_PREPARE) $(NN_NETWORK) $(NN_PLANNER) $(NN_OPTIMIZE) \
	$(NN_BATCH) $(NN_TRAIN) $(NN_FOLDER) $(NN_INFER) $(NN_DEVICE) build/device_sources.o $(FL)

# The program without main.o is an archive too, so that its checks link like the others.
APPS_BASE = apps/base/columns.o apps/base/console.o apps/base/dataset_warnings.o \
	apps/base/grid_warnings.o apps/base/interrupt.o \
	apps/base/options.o apps/base/options_help.o apps/base/patients.o apps/base/progress.o \
	apps/base/result_tables.o apps/base/scores.o apps/base/upright.o
APPS_TRAINING = apps/training/budget.o apps/training/federation_options.o apps/training/federation_steps.o \
	apps/training/manifest.o apps/training/overlay.o apps/training/predictions.o \
	apps/training/run_notes.o \
	apps/training/training.o apps/training/training_data.o apps/training/training_options.o \
	apps/training/validation.o
APPS_BENCH = apps/bench/bench_kernels.o apps/bench/bench_networks.o apps/bench/bench_scaling.o \
	apps/bench/bench_subject.o
APPS_PHANTOM = apps/phantom/anatomy.o apps/phantom/body.o apps/phantom/lattice.o apps/phantom/probe.o \
	apps/phantom/receiver.o apps/phantom/render.o apps/phantom/scanners.o apps/phantom/signal.o \
	apps/phantom/tumour.o
APPS_STUDY = apps/study/study_arms.o apps/study/study_baseline.o apps/study/study_classify.o \
	apps/study/study_compare.o apps/study/study_cost.o apps/study/study_data.o \
	apps/study/study_estimate.o apps/study/study_multiclass.o apps/study/study_predict.o \
	apps/study/study_protocol.o apps/study/study_region.o apps/study/study_results.o \
	apps/study/study_segment.o apps/study/study_subgroups.o apps/study/study_tables_csv.o \
	apps/study/study_tables_json.o apps/study/study_train.o
APPS_REPORT = apps/report/report.o apps/report/report_checklists.o apps/report/report_classify.o \
	apps/report/report_cohort.o apps/report/report_compare.o apps/report/report_methods.o \
	apps/report/report_multiclass.o apps/report/report_paper.o apps/report/report_pictures.o \
	apps/report/report_plot.o apps/report/report_segment.o
APPS_INFO = apps/info/info_arrays.o apps/info/info_datasets.o apps/info/info_federation.o \
	apps/info/info_images.o apps/info/info_others.o
APPS_INIT = apps/init/found_cases.o apps/init/found_layout.o apps/init/found_values.o
APPS_CONVERT = apps/convert/convert_dicom.o apps/convert/convert_images.o apps/convert/convert_weights.o
APPS_COMPARE = apps/compare/compare_maps.o apps/compare/compare_maps_unpaired.o \
	apps/compare/compare_report.o apps/compare/compare_tables.o
APPS_COMMAND = apps/command/cmd_bench.o apps/command/cmd_best.o apps/command/cmd_compare.o \
	apps/command/cmd_convert.o apps/command/cmd_ensemble.o apps/command/cmd_evaluate.o \
	apps/command/cmd_export.o apps/command/cmd_federate.o apps/command/cmd_info.o \
	apps/command/cmd_init.o apps/command/cmd_phantom.o apps/command/cmd_plan.o \
	apps/command/cmd_postprocess.o apps/command/cmd_predict.o apps/command/cmd_study.o \
	apps/command/cmd_train.o apps/command/evaluate_maps.o apps/command/evaluate_tables.o \
	apps/command/plan_layers.o apps/command/predict_cases.o apps/command/predict_classify.o \
	apps/command/predict_record.o
APPS = $(APPS_BASE) $(APPS_TRAINING) $(APPS_BENCH) $(APPS_PHANTOM) $(APPS_STUDY) $(APPS_REPORT) \
	$(APPS_INFO) $(APPS_INIT) $(APPS_CONVERT) $(APPS_COMPARE) \
	$(APPS_COMMAND)

CHECKS_KERNELS = tests/kernels/check_algorithms tests/kernels/check_elem tests/kernels/check_kernels \
	tests/kernels/check_norm tests/kernels/check_pooling_loss tests/kernels/check_tiles \
	tests/kernels/check_transforms tests/kernels/check_winograd
CHECKS_TENSOR = tests/unit/tensor/check_gradients tests/unit/tensor/check_graph \
	tests/unit/tensor/check_machine tests/unit/tensor/check_ops tests/unit/tensor/check_record \
	tests/unit/tensor/check_tensor
CHECKS_IO = tests/unit/io/check_arrays tests/unit/io/check_dicom tests/unit/io/check_dicom_jpeg \
	tests/unit/io/check_dicom_labels \
	tests/unit/io/check_dicom_place tests/unit/io/check_dicom_series tests/unit/io/check_formats \
	tests/unit/io/check_geometry tests/unit/io/check_grids tests/unit/io/check_image_formats \
	tests/unit/io/check_images tests/unit/io/check_io tests/unit/io/check_json tests/unit/io/check_pack \
	tests/unit/io/check_pth tests/unit/io/check_weights_formats
CHECKS_NN = tests/unit/nn/check_auc tests/unit/nn/check_baselines tests/unit/nn/check_checkpoints \
	tests/unit/nn/check_covariates tests/unit/nn/check_data \
	tests/unit/nn/check_device tests/unit/nn/check_ensemble tests/unit/nn/check_learning \
	tests/unit/nn/check_metric_table tests/unit/nn/check_metrics tests/unit/nn/check_network_shapes \
	tests/unit/nn/check_networks \
	tests/unit/nn/check_nnunet tests/unit/nn/check_onnx tests/unit/nn/check_optimizers \
	tests/unit/nn/check_plan tests/unit/nn/check_preprocess tests/unit/nn/check_resample \
	tests/unit/nn/check_schedules tests/unit/nn/check_sliding \
	tests/unit/nn/check_stats tests/unit/nn/check_tests tests/unit/nn/check_train tests/unit/nn/check_wide
CHECKS_FL = tests/unit/fl/check_allocations tests/unit/fl/check_ciphers tests/unit/fl/check_compress \
	tests/unit/fl/check_faults \
	tests/unit/fl/check_federated tests/unit/fl/check_fingerprint tests/unit/fl/check_library_host \
	tests/unit/fl/check_library_memory \
	tests/unit/fl/check_peers tests/unit/fl/check_privacy tests/unit/fl/check_private \
	tests/unit/fl/check_rounds tests/unit/fl/check_secure tests/unit/fl/check_secure_round \
	tests/unit/fl/check_stops tests/unit/fl/check_strategies
CHECKS_APPS = tests/unit/apps/check_budget tests/unit/apps/check_columns tests/unit/apps/check_overlay \
	tests/unit/apps/check_phantom \
	tests/unit/apps/check_phantom_shapes tests/unit/apps/check_progress tests/unit/apps/check_study \
	tests/unit/apps/check_study_results \
	tests/unit/apps/check_upright
CHECKS_FUZZ = tests/fuzz/check_fuzz
CHECKS = $(CHECKS_KERNELS) $(CHECKS_TENSOR) $(CHECKS_IO) $(CHECKS_NN) $(CHECKS_FL) $(CHECKS_APPS) \
	$(CHECKS_FUZZ)
SCRIPTS = tests/bits/check_bits.sh tests/check_layers.sh tests/check_structs.sh tests/check_tour.sh \
	tests/program/check_arguments.sh \
	tests/program/check_book.sh tests/program/check_carried.sh tests/program/check_carried_kills.sh \
	tests/program/check_cases_io.sh tests/program/check_classification.sh tests/program/check_compare.sh \
	tests/program/check_convert.sh \
	tests/program/check_covariates.sh tests/program/check_docs.sh tests/program/check_ensemble.sh \
	tests/program/check_export.sh tests/program/check_habits.sh tests/program/check_hospitals.sh \
	tests/program/check_image_data.sh tests/program/check_info.sh tests/program/check_killed_runs.sh \
	tests/program/check_kills.sh \
	tests/program/check_library.sh \
	tests/program/check_library_calls.sh tests/program/check_memory.sh tests/program/check_memory_io.sh \
	tests/program/check_names.sh tests/program/check_network_choice.sh tests/program/check_nnunet.sh \
	tests/program/check_plan.sh tests/program/check_program.sh tests/program/check_refused.sh \
	tests/program/check_segmentations.sh \
	tests/program/check_signals.sh \
	tests/program/check_strict.sh tests/program/check_study_program.sh tests/program/check_static.sh \
	tests/program/check_use.sh tests/program/check_wrapped.sh tests/program/check_wrong_files.sh \
	tests/program/check_writes.sh

all: nephron libnephron.a libnephron.so $(PROGRAMS_MPI_$(MPI))

.SUFFIXES:
.SUFFIXES: .c .o
.c.o:
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -c $< -o $@
.c:
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) $(CFLAGS_CHECKS) -o $@ $< build/apps.a libnephron.a $(LIBS)

# What `nephron export` writes as it is.
EMBEDDED = nn/device/device_kernels.c nn/device/device_kernels.h nn/device/device_main.c
build/device_sources.c: nn/device/embed.sh $(EMBEDDED)
	mkdir -p build
	sh nn/device/embed.sh $(EMBEDDED) >build/device_sources.tmp
	mv build/device_sources.tmp $@
build/device_sources.o: build/device_sources.c

# Built anew where ZLIB is another than it was.
io/pack/inflate.o: build/zlib_$(ZLIB)
build/zlib_$(ZLIB):
	mkdir -p build
	rm -f build/zlib_*
	touch $@

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
# These run longer than they are compiled: with the library's flags.
tests/kernels/check_algorithms tests/kernels/check_kernels tests/kernels/check_winograd:
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -o $@ $@.c build/apps.a libnephron.a $(LIBS)
FUZZ = tests/fuzz/check_fuzz.c tests/fuzz/fuzz_bytes.c tests/fuzz/fuzz_files.c \
	tests/fuzz/fuzz_readers.c tests/fuzz/fuzz_values.c
tests/fuzz/check_fuzz: $(FUZZ) tests/fuzz/fuzz.h
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) $(CFLAGS_CHECKS) -o $@ $(FUZZ) build/apps.a libnephron.a $(LIBS)

# The fast tests, one a processor at a time (JOBS=1: one after the other), the long ones first. The last line
# is "N passed, N failed".
check: nephron $(CHECKS)
	sh tests/run_checks.sh $(SCRIPTS) $(CHECKS)

# The program's sources, one a line: what a compiler needs to be told without this file.
sources: build/device_sources.c
	@for o in $(LIBRARY) $(APPS) apps/command/main.o; do echo $${o%.o}.c; done

# The kernels' objects, which tests/fuzz/fuzz.sh and tests/coverage.sh build in another way than the rest.
kernels:
	@echo $(TENSOR_BASE) $(TENSOR_REFERENCE) $(TENSOR_CONV) $(TENSOR_DIRECT) $(TENSOR_WINOGRAD) \
		$(TENSOR_TILES) $(TENSOR_ELEM)

# The same bits with every compiler, level, number of threads and machine that there is here to try: minutes.
check-bits: nephron
	CHECK_ALL=1 sh tests/bits/check_bits.sh
.PHONY: check-bits

# Warnings of both compilers, cppcheck and clang-tidy.
lint: build/device_sources.c libnephron.a build/apps.a nephron
	CHECK_ALL=1 LINT=1 sh tests/program/check_static.sh

# Lines and branches that the fast tests run, by gcc and gcov.
coverage: build/device_sources.c
	sh tests/coverage.sh $(SCRIPTS) $(CHECKS)

check-all: nephron $(CHECKS)
	sh tests/check_all.sh $(SCRIPTS) $(CHECKS)

demo: nephron
	sh apps/demo.sh

# Every arm trained on a synthetic multi-centre dataset; study/report.html; README says how long it takes.
study: nephron
	./nephron study -o study --preset quick --resume

bench: nephron
	./nephron bench

# Prediction in a browser: web/nephron.html, one file that needs no server. Needs clang with lld and
# wasi-libc.
web: build/device_sources.c
	@CLANG='$(CLANG)' sh apps/web/build.sh $(VERSION) $(LIBRARY:.o=.c)

# The drawings of the book, docs/drawings/NAME.svg: made by this program, kept in the tree.
DRAWINGS = docs/drawings/draw.o docs/drawings/draw_drivers.o docs/drawings/draw_kernels.o \
	docs/drawings/draw_networks.o docs/drawings/draw_training.o docs/drawings/draw_use.o
build/draw: $(DRAWINGS) libnephron.a
	mkdir -p build
	$(CC) $(CFLAGS) -o $@ $(DRAWINGS) libnephron.a $(LIBS)
drawings: build/draw
	build/draw docs/drawings

# The numbers of README and docs again, on a machine that does nothing else: docs/make_figures.sh says what
# and how long.
figures:
	sh docs/make_figures.sh

# Made aside and moved: a book whose excerpts are not found is none.
book:
	mkdir -p book
	sh docs/book/book.sh >book/book.tmp
	mv book/book.tmp book/book.html

# Files are replaced, not written into: a program that runs, or has the library loaded, keeps the old ones.
# Others can read them, whatever the umask.
INSTALLED = $(DESTDIR)$(PREFIX)/bin/nephron $(DESTDIR)$(PREFIX)/include/nephron.h \
	$(DESTDIR)$(PREFIX)/lib/libnephron.a $(DESTDIR)$(PREFIX)/lib/libnephron.so \
	$(DESTDIR)$(PREFIX)/lib/libnephron.so.$(API) $(DESTDIR)$(PREFIX)/lib/pkgconfig/nephron.pc \
	$(DESTDIR)$(PREFIX)/share/man/man1/nephron.1 $(DESTDIR)$(PREFIX)/share/man/man1/nephron-*.1 \
	$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nephron \
	$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nephron
install: nephron libnephron.so build/libnephron.a
	umask 022 && mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig \
		$(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions
	rm -f $(INSTALLED)
	cp nephron $(DESTDIR)$(PREFIX)/bin/nephron
	$(STRIP) $(DESTDIR)$(PREFIX)/bin/nephron
	cp fl/nephron.h $(DESTDIR)$(PREFIX)/include/nephron.h
	cp build/libnephron.a $(DESTDIR)$(PREFIX)/lib/libnephron.a
	$(STRIP) --strip-debug $(DESTDIR)$(PREFIX)/lib/libnephron.a
	cp libnephron.so $(DESTDIR)$(PREFIX)/lib/libnephron.so.$(API)
	$(STRIP) --strip-unneeded $(DESTDIR)$(PREFIX)/lib/libnephron.so.$(API)
	ln -sf libnephron.so.$(API) $(DESTDIR)$(PREFIX)/lib/libnephron.so
	prefix=$(PREFIX); case $$prefix in /*) ;; *) prefix=$$(pwd)/$$prefix ;; esac; \
		printf '%s\n' "prefix=$$prefix" 'libdir=$${prefix}/lib' 'includedir=$${prefix}/include' \
		'Name: nephron' 'Description: federated 3D medical imaging' 'Version: $(VERSION)' \
		'Libs: -L$${libdir} -lnephron' 'Libs.private: $(LIBS)' 'Cflags: -I$${includedir}' \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/nephron.pc
	sh apps/install/make_man.sh ./nephron $(DESTDIR)$(PREFIX)/share/man/man1
	sh apps/install/make_completion.sh ./nephron bash \
		>$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nephron
	sh apps/install/make_completion.sh ./nephron zsh \
		>$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_nephron
	chmod a+r,u+w $(INSTALLED)
	chmod a+x $(DESTDIR)$(PREFIX)/bin/nephron $(DESTDIR)$(PREFIX)/lib/libnephron.so.$(API)

uninstall:
	rm -f $(INSTALLED)

EXAMPLES = build/predict_one build/train_memory build/federate_two build/list_model build/worker
examples: $(EXAMPLES)
$(EXAMPLES): build/libnephron.a
	$(CC) -std=c11 $(DEPFLAGS) $(CFLAGS) -Ifl -o $@ apps/examples/$(@F).c build/libnephron.a $(LIBS)

# What the book's exercises ask, answered by programs of a page each.
EXERCISES = build/adjoint build/average build/batch build/bomb build/dice_gradient build/difference \
	build/distance build/drift build/fused build/graph_memory build/masks build/norm_backward \
	build/two_steps build/paired build/place build/points build/receptive_field build/replay \
	build/shares build/strided build/strides build/sums build/windows
exercises: $(EXERCISES)
$(EXERCISES): libnephron.a
	mkdir -p build
	$(CC) $(NEPHRON_CFLAGS) $(CFLAGS) -o $@ docs/exercises/$(@F).c libnephron.a $(LIBS)

# From plain loops to the library's kernels: tested, then timed; build/ladder.svg is the chart of the book's
# chapter.
LADDER = docs/ladder/ladder.o docs/ladder/rung_1_loops.o docs/ladder/rung_2_lanes.o \
	docs/ladder/rung_3_panels.o docs/ladder/rung_4_winograd.o docs/ladder/rung_5_pairs.o
build/ladder: $(LADDER) libnephron.a
	mkdir -p build
	$(CC) $(CFLAGS) -o $@ $(LADDER) libnephron.a $(LIBS)
ladder: build/ladder
	build/ladder --check
	build/ladder --svg build/ladder.svg

clean:
	rm -f nephron nephron-mpi libnephron.a libnephron.so *.[do] */*.[do] */*/*.[do] */*/*/*.[do] $(CHECKS)
	rm -rf demo build web book

-include $(LIBRARY:.o=.d) $(APPS:.o=.d) $(CHECKS:=.d) $(DRAWINGS:.o=.d) $(EXAMPLES:=.d) $(EXERCISES:=.d) \
	$(LADDER:.o=.d) apps/command/main.d nephron-mpi.d

.PHONY: all check check-all lint coverage sources kernels demo study bench book drawings figures web install \
	uninstall examples exercises ladder clean

/* nephron_predict.c - the public library: from an image to a label map or to class probabilities. */
#include <stdlib.h>
#include <string.h>

#include "fl/nephron_handles.h"
#include "io/base/file.h"
#include "nn/train/classifier.h"
#include "nn/train/classify.h"

/* The networks as `nephron predict` sets them up: all mirrors that the run allows, its postprocessing, and
 * fp32 however it was trained. */
static int prepare_segmenter(nephron_model *m)
{
    struct segmenter *s = &m->segmenter;
    struct error *e = &m->n->e;
    char path[1300];
    if (s->predictors) return 0;
    *s = (struct segmenter){.plan = m->run.plan, .dataset = &m->run.dataset};
    s->sliding.step = 0.5;
    for (int a = 0; a < 3; a++) s->sliding.mirror[a] = m->run.mirror[a];
    int status = *m->run.path ? file_join(path, sizeof path, m->run.path, "postprocessing.json", e) : 0;
    if (!status && *m->run.path && file_exists(path))
        status = postprocess_read(&s->post, path, &m->run.dataset, e);
    else if (!status && m->run.postprocessing &&
             postprocess_from_json(&s->post, m->run.postprocessing, &m->run.dataset, e))
        status = error_prefix(e, "description: postprocessing");
    for (int k = 0; !status && k < m->folds; k++) status = segmenter_add(s, m->model[k], m->n->pool, e);
    if (status) segmenter_free(s);
    return status;
}

static int check_image(const nephron_model *m, const nephron_image *i)
{
    int channels = 0;
    if (!m) return -1;
    if (!i) return error_set(&m->n->e, "no image");
    nephron_model_info(m, &channels, NULL, NULL);
    if (i->sample.channels == channels) return 0;
    return error_set(&m->n->e, "the image has %d channels, the model takes %d", i->sample.channels, channels);
}

static size_t predict_bytes(nephron_model *m, const nephron_image *i)
{
    size_t bytes = 0, voxels = 1;
    struct infer_case c = {0};
    for (int a = 0; a < 3; a++) {
        c.size[a] = i->sample.size[a];
        c.spacing[a] = i->sample.spacing[a];
        voxels *= (size_t)c.size[a];
    }
    memcpy(c.affine, i->sample.affine, sizeof c.affine);
    size_t image = voxels * (size_t)i->sample.channels * sizeof(float);
    if (!m->run.plan) { /* the crop, twice, and the network's block are small beside the copy */
        const int *crop = m->run.options.crop;
        return image +
               64 * (size_t)crop[0] * (size_t)crop[1] * (size_t)crop[2] * sizeof(float) *
                   (size_t)m->run.options.classifier.base;
    }
    if (prepare_segmenter(m) || infer_bytes(&bytes, &c, &m->segmenter.predictor[0], m->run.plan, 1, &m->n->e))
        return 0;
    return bytes + image + graph_bytes(m->segmenter.predictor[0].graph);
}

size_t nephron_predict_bytes(nephron_model *m, const nephron_image *i)
{
    fenv_t before;
    if (check_image(m, i) || nephron_enter(m->n, &before)) return 0;
    const size_t bytes = predict_bytes(m, i);
    nephron_leave(&before, 0);
    return bytes;
}

int nephron_copy_image(struct sample *s, const nephron_image *i, struct error *e)
{
    *s = i->sample;
    size_t bytes =
        (size_t)s->size[0] * (size_t)s->size[1] * (size_t)s->size[2] * (size_t)s->channels * sizeof(float);
    s->image = malloc(bytes);
    if (!s->image) return error_set(e, "out of memory for a copy of the image, %zu bytes", bytes);
    memcpy(s->image, i->sample.image, bytes);
    return 0;
}

static int segment(nephron_model *m, const nephron_image *i, uint8_t *map, float *probabilities)
{
    struct error *e = &m->n->e;
    struct sample s;
    uint8_t *label = NULL;
    float *p = NULL;
    size_t voxels = (size_t)i->sample.size[0] * (size_t)i->sample.size[1] * (size_t)i->sample.size[2];
    if (prepare_segmenter(m) || nephron_copy_image(&s, i, e)) return -1;
    struct segmenter *g = &m->segmenter;
    int status = infer_segment(&label, probabilities ? &p : NULL, NULL, g->predictor, g->predictors, g->plan,
                               &s, &g->sliding, e);
    if (!status && postprocess_apply(&g->post, label, s.size))
        status = error_set(e, "out of memory for postprocessing");
    for (size_t k = 0; !status && map && k < voxels; k++)
        map[k] = (uint8_t)m->run.dataset.label_value[label[k]];
    if (!status && probabilities) memcpy(probabilities, p, voxels * (size_t)g->plan->classes * sizeof *p);
    free(label);
    free(p);
    sample_free(&s);
    return status;
}

static int classify(nephron_model *m, const nephron_image *i, float *probabilities)
{
    struct error *e = &m->n->e;
    struct train_options all = m->run.options;
    const struct train_options *o = &all;
    struct prepared s;
    struct learner_data d = {.store = {.cases = 1, .prepared = &s}};
    all.bf16 = 0;
    if (classify_prepare(&s, &i->sample, o->crop, !run_of_arrays(&m->run), e)) return -1;
    const int status =
        learner_classify_mean(probabilities, m->model, m->folds, o, &d, m->n->pool, NULL, NULL, e);
    prepared_free(&s);
    return status;
}

int nephron_predict(nephron_model *m, const nephron_image *i, uint8_t *map, float *probabilities)
{
    fenv_t before;
    if (check_image(m, i)) return -1;
    if (m->run.plan && !map && !probabilities)
        return error_set(&m->n->e, "nephron_predict: neither map nor probabilities");
    if (!m->run.plan && (map || !probabilities))
        return error_set(&m->n->e, "nephron_predict: a classifier gives probabilities, no map");
    if (nephron_enter(m->n, &before)) return -1;
    return nephron_leave(&before,
                         m->run.plan ? segment(m, i, map, probabilities) : classify(m, i, probabilities));
}

int nephron_predict_file(nephron_model *m, const nephron_image *i, const char *path)
{
    if (check_image(m, i)) return -1;
    if (!path) return error_set(&m->n->e, "nephron_predict_file: no path");
    uint8_t *map = malloc((size_t)i->sample.size[0] * (size_t)i->sample.size[1] * (size_t)i->sample.size[2]);
    int status = map ? nephron_predict(m, i, map, NULL)
                     : error_set(&m->n->e, "%s: out of memory for the label map", path);
    if (!status && (status = nephron_labels_write(i, path, map))) error_set(&m->n->e, "%s", i->n->e.text);
    free(map);
    return status;
}

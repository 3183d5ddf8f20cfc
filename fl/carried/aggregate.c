/* aggregate.c - the answers of an open round: what is written of each, and whether there are enough. */
#include "fl/carried/aggregate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void aggregate_refuse(struct round_work *w, const char *site, const char *file, const char *reason)
{
    struct json *j = json_add_object(w->refused, NULL);
    json_add_text(j, "site", site);
    json_add_text(j, "file", file);
    json_add_text(j, "reason", reason);
}

void aggregate_note(struct round_work *w, int i, const char *hex)
{
    const struct update *u = &w->update;
    struct json *j = json_add_object(w->updates, NULL);
    json_add_text(j, "site", u->site);
    json_add_text(j, "sha256", hex);
    w->in[i] = 1;
    w->metric[i] = u->metric_before;
    w->validation_loss[i] = u->loss_before;
    w->metric_cases[i] = u->validation_cases;
    w->row[i] = (struct round_record){.round = w->c->round,
                                      .site = i,
                                      .examples = u->numbers.examples,
                                      .loss = u->loss,
                                      .metric = NAN,
                                      .validation_loss = NAN,
                                      .seconds = NAN,
                                      .metric_local = u->metric_after,
                                      .norm = NAN,
                                      .cosine = NAN};
}

/* The names of the sites that are missing, as far as they fit. */
static void list_missing(char *text, size_t size, const struct round_work *w)
{
    size_t n = 0;
    text[0] = 0;
    for (int i = 0; i < w->c->f.sites && n + SITE_NAME_MAX + 8 < size; i++)
        if (w->chosen[i] && !w->answered[i])
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", w->c->site[i]);
}

/* 1: the round can end. */
int aggregate_can_end(struct round_work *w, int in, int late, char told[256], struct error *e)
{
    int drawn = 0, missing = 0, quorum = w->c->quorum;
    char names[160];
    for (int i = 0; i < w->c->f.sites; i++) drawn += w->chosen[i], missing += w->chosen[i] && !w->answered[i];
    if (quorum > drawn) quorum = drawn;
    if ((in == drawn && in > 0) || (in >= quorum && (late || missing == 0))) return 1;
    list_missing(names, sizeof names, w);
    if (missing == 0 || late) {
        const struct json *first = json_at(w->refused, 0);
        return error_set(e, "round %d of %d has %d sound answers, the quorum is %d%s%s%s%.100s%s%.300s",
                         w->c->round + 1, w->c->f.train.epochs, in, quorum, *names ? "; missing: " : "",
                         names, first ? "; " : "", first ? json_text(first, "file", "") : "",
                         first ? ": " : "", first ? json_text(first, "reason", "") : "");
    }
    snprintf(told, 256, "round %d of %d: %d of %d answers, waits for %s", w->c->round + 1,
             w->c->f.train.epochs, in, drawn, names);
    return 0;
}

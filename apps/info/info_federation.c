/* info_federation.c - a folder FED of carried files: what was agreed on, the round, and who has answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/console.h"
#include "apps/info/info.h"
#include "fl/carried/secure_aggregate.h"
#include "fl/carried/carried_secure.h"
#include "fl/round/private.h"
#include "io/base/file.h"

/* Of a masked round: what the open stage asks for, other than the masked update. */
static int tell_stage(const struct carried *c, const struct task *t, const char *site, int stage,
                      struct json *j, struct error *e)
{
    char path[1400];
    struct error why;
    struct bytes message = {0};
    struct message_head h = {secure_answer[stage], site, c->round, t->base, 0};
    if (secure_answer_path(path, c, site, stage, e)) return -1;
    const int there = file_exists(path),
              sound = there && parts_read(&message, &h, "message", &c->f, path, &why) == 0;
    bytes_free(&message);
    json_add_bool(j, "answered", sound);
    if (there && !sound) json_add_text(j, "error", why.text);
    if (there && !sound) printf("  %-13s not sound: %s\n", site, why.text);
    else printf("  %-13s %s%s\n", site, sound ? "" : "no ", secure_answer[stage]);
    return 0;
}

/* What a site's file of the round is: a sound answer's numbers, or why it is none. */
static int tell_site(const struct carried *c, const struct task *t, const char *site, int stage,
                     struct json *j, struct error *e)
{
    char path[1400], name[SITE_NAME_MAX + 16];
    struct update u;
    struct error why;
    if (stage && stage != SECURE_MASKED) return tell_stage(c, t, site, stage, j, e);
    snprintf(name, sizeof name, "%s.safetensors", site);
    if (carried_path(path, c, c->round, name, e) || update_init(&u, c->model->count, e)) return -1;
    int there = file_exists(path), sound = there && !update_read(&u, &c->f, c->model, path, NULL, &why) &&
                                           !carried_check_answer(c, &u, site, t->base, &why);
    json_add_bool(j, "answered", sound);
    if (!there) printf("  %-13s no answer yet\n", site);
    else if (!sound) printf("  %-13s not sound: %s\n", site, why.text);
    else
        printf("  %-13s %.0f cases, %.0f steps, loss %.4f\n", site, u.numbers.examples, u.numbers.steps,
               u.loss);
    if (there && !sound) json_add_text(j, "error", why.text);
    update_free(&u);
    return 0;
}

/* Of each site, where the round asks it. */
static int tell_sites(const struct carried *c, const struct task *t, struct json *list, struct error *e)
{
    unsigned char *chosen = calloc((size_t)c->f.sites + 1, 1);
    const int stage = c->f.secure_range > 0 ? secure_open_stage(c, e) : 0;
    int status = !chosen     ? error_set(e, "out of memory for %d sites", c->f.sites)
                 : stage < 0 ? -1
                             : agreement_draw(chosen, &c->f, c->round, e);
    for (int i = 0; !status && i < c->f.sites; i++) {
        struct json *j = json_add_object(list, NULL);
        json_add_text(j, "name", c->site[i]);
        if (!chosen[i]) printf("  %-13s not drawn for the round\n", c->site[i]);
        if (!chosen[i]) json_add_bool(j, "drawn", 0);
        else status = tell_site(c, t, c->site[i], stage, j, e);
    }
    free(chosen);
    return status;
}

int info_federation(const char *path, struct json *j, struct error *e)
{
    struct carried c;
    struct task_message m;
    char terms[128];
    if (carried_open(&c, path, e)) return -1;
    if (carried_read_task(&m, &c, e)) return carried_close(&c), -1;
    int complete = c.round == c.f.train.epochs, status = 0;
    console("%s: federation of %d sites, %s, quorum %d, %zu weights, %s%d of %d rounds%s\n", path, c.f.sites,
            c.f.strategy->name, c.quorum, c.model->count, complete ? "complete, " : "", c.round,
            c.f.train.epochs, complete ? "" : " done; the answers of the next:");
    private_told(terms, &c.f, private_clip(&m.task, &c.f));
    if (terms[0]) console("  privacy       %s\n", terms);
    if (c.f.secure_range > 0) console("  --secure      updates are masked, their sum alone is seen\n");
    json_add_text(j, "kind", "federation");
    if (terms[0]) json_add_text(j, "privacy", terms);
    json_add_bool(j, "secure", c.f.secure_range > 0);
    json_add_text(j, "strategy", c.f.strategy->name);
    json_add_int(j, "rounds", c.f.train.epochs);
    json_add_int(j, "rounds_done", c.round);
    json_add_int(j, "quorum", c.quorum);
    struct json *list = json_add_array(j, "sites");
    if (!complete) status = tell_sites(&c, &m.task, list, e);
    task_free(&m);
    carried_close(&c);
    return status;
}

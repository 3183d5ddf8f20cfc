/* site_store.c - states of sites in memory or in files. */
#include "fl/round/site_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/base/file.h"
#include "tensor/base/check.h"

enum { NEWEST, NEEDED, BEFORE, ROUNDS };

static int in_files(const struct site_store *s)
{
    return s->folder[0] != 0;
}

int site_store_init(struct site_store *s, const struct agreement *f, const struct model *layout,
                    const char *folder, const char *const *name, int count, struct error *e)
{
    memset(s, 0, sizeof *s);
    s->f = f;
    s->layout = layout;
    s->count = count;
    s->name = malloc(((size_t)count + 1) * sizeof *s->name);
    s->round = malloc(((size_t)count + 1) * sizeof *s->round);
    s->state = folder ? NULL : calloc((size_t)count + 1, sizeof *s->state);
    if (!s->name || !s->round || (!folder && !s->state))
        return error_set(e, "out of memory for %d sites", count);
    for (int i = 0; i < count; i++) {
        s->name[i] = name[i];
        for (int k = 0; k < ROUNDS; k++) s->round[i][k] = -1;
    }
    if (folder && file_join(s->folder, sizeof s->folder, folder, "sites", e)) return -1;
    if (folder) /* what was left half written there goes */
        return file_is_dir(s->folder) ? file_mkdirs(s->folder, e) : 0;
    for (int i = 0; i < count; i++)
        if (site_state_init(&s->state[i], name[i], f, layout, e)) return -1;
    return 0;
}

void site_store_free(struct site_store *s)
{
    for (int i = 0; s->state && i < s->count; i++) site_state_free(&s->state[i]);
    free(s->state);
    free(s->name);
    free(s->round);
    memset(s, 0, sizeof *s);
}

/* "%41lice" never: letters, digits, '-' and '_' stay; any other byte becomes %XX, the dot too, which ends the
 * name. */
static void file_safe(char *out, size_t size, const char *name)
{
    size_t n = 0;
    for (; *name && n + 4 < size; name++) {
        unsigned char c = (unsigned char)*name;
        int plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_';
        n += (size_t)snprintf(out + n, size - n, plain ? "%c" : "%%%02X", c);
    }
}

static void state_path(char path[1400], const struct site_store *s, int i, int round)
{
    char safe[3 * SITE_NAME_MAX + 1] = "";
    file_safe(safe, sizeof safe, s->name[i]);
    snprintf(path, 1400, "%s/%s.%04d.safetensors", s->folder, safe, round);
}

void site_store_file(char path[1400], const char *folder, const char *site, const char *kind)
{
    char safe[3 * SITE_NAME_MAX + 1] = "";
    file_safe(safe, sizeof safe, site);
    snprintf(path, 1400, "%s/%s.%s.safetensors", folder, safe, kind);
}

void site_store_path(char path[1400], const struct site_store *s, int i, const char *kind)
{
    site_store_file(path, s->folder, s->name[i], kind);
}

/* Where a pause of site i lies; 0: nowhere. */
static int pause_path(char path[1400], const struct site_store *s, int i)
{
    if (in_files(s)) site_store_path(path, s, i, "paused");
    else if (s->run) snprintf(path, 1400, "%s/checkpoint_paused.safetensors", s->run);
    return in_files(s) || s->run;
}

static void remove_pause(const struct site_store *s, int i)
{
    char path[1400];
    if (pause_path(path, s, i)) unlink(path);
}

/* ---- resuming ------------------------------------------------------------------------------------------ */

struct known {
    char safe[3 * SITE_NAME_MAX + 1];
    int site;
};

static int compare_known(const void *a, const void *b)
{
    return strcmp(((const struct known *)a)->safe, ((const struct known *)b)->safe);
}

/* NAME.ROUND.safetensors of a known site; anything else in the folder is left alone. */
static void note_file(struct site_store *s, const struct known *known, const char *file, int round)
{
    struct known key = {.site = -1};
    const char *dot = strchr(file, '.');
    int of = -1, used = 0;
    if (!dot || (size_t)(dot - file) >= sizeof key.safe ||
        sscanf(dot, ".%d.safetensors%n", &of, &used) != 1 || !used || dot[used])
        return;
    memcpy(key.safe, file, (size_t)(dot - file));
    key.safe[dot - file] = 0;
    const struct known *found = bsearch(&key, known, (size_t)s->count, sizeof key, compare_known);
    if (!found || of < 0) return;
    int *r = s->round[found->site];
    if (of > r[NEWEST]) r[NEWEST] = of;
    if (of <= round && of > r[NEEDED]) r[NEEDED] = of;
}

int site_store_resume(struct site_store *s, int round, struct error *e)
{
    struct file_list list;
    s->checkpoint = round;
    for (int i = 0; !in_files(s) && i < s->count; i++) s->state[i].next_round = round;
    if (!in_files(s) || !file_is_dir(s->folder)) return 0;
    struct known *known = calloc((size_t)s->count + 1, sizeof *known);
    if (!known) return error_set(e, "out of memory for %d sites", s->count);
    for (int i = 0; i < s->count; i++)
        file_safe(known[i].safe, sizeof known[i].safe, s->name[i]), known[i].site = i;
    qsort(known, (size_t)s->count, sizeof *known, compare_known);
    int status = file_list(s->folder, &list, e);
    for (int i = 0; !status && i < list.count; i++) note_file(s, known, list.name[i], round);
    if (!status) file_list_free(&list);
    free(known);
    return status;
}

/* ---- states -------------------------------------------------------------------------------------------- */

static void copy_state(struct site_state *to, const struct site_state *from, const struct model *layout)
{
    size_t bytes = layout->count * sizeof(float);
    to->next_round = from->next_round;
    to->rounds_before = from->rounds_before;
    optimizer_assign(&to->optimizer, &from->optimizer);
    weight_average_assign(&to->average, &from->average);
    if (to->residual) memcpy(to->residual, from->residual, bytes);
    for (int k = 0; k < STRATEGY_SLOTS; k++)
        if (to->slot[k]) memcpy(to->slot[k], from->slot[k], bytes);
}

/* Made with the first file: who is refused before leaves none. */
static int make_folder(const struct site_store *s, struct error *e)
{
    return in_files(s) && !file_is_dir(s->folder) ? file_mkdirs(s->folder, e) : 0;
}

int site_store_pause(struct site_store *s, int i, const struct site_state *state, struct error *e)
{
    char path[1400];
    if (make_folder(s, e)) return -1;
    return pause_path(path, s, i) ? site_state_write(state, NULL, s->f, s->layout, path, e) : 0;
}

/* 1: the site was stopped in this round. A pause of another round is what a killed run left, or will be
 * reached again. */
static int load_pause(struct site_store *s, int i, int round, struct site_state *state, struct error *e)
{
    char path[1400];
    if (!pause_path(path, s, i) || !file_exists(path)) return 0;
    if (site_state_read(state, NULL, s->f, s->layout, path, e)) return -1;
    if (state->pause.round == round) return 1;
    site_state_reset(state, s->name[i], s->layout);
    return 0;
}

static int load_done(struct site_store *s, int i, int round)
{
    return in_files(s) && s->round[i][NEWEST] == round + 1;
}

int site_store_load(struct site_store *s, int i, int round, struct site_state *state, struct update *u,
                    struct error *e)
{
    char path[1400];
    site_state_reset(state, s->name[i], s->layout);
    int paused = load_done(s, i, round) ? 0 : load_pause(s, i, round, state, e);
    if (paused) return paused < 0 ? -1 : 0;
    if (!in_files(s)) {
        copy_state(state, &s->state[i], s->layout);
        return 0;
    }
    int done = load_done(s, i, round),
        of = s->round[i][NEWEST] > round ? s->round[i][NEEDED] : s->round[i][NEWEST];
    if (done) of = round + 1;
    if (of < 0) return 0;
    state_path(path, s, i, of);
    if (site_state_read(state, done ? u : NULL, s->f, s->layout, path, e)) return -1;
    if (state->next_round != of || (done && (u->round != round || strcmp(u->site, s->name[i]) != 0)))
        return error_set(e, "%s: holds round %d of site %s", path, state->next_round,
                         done ? u->site : s->name[i]);
    return done;
}

void site_store_forget(struct site_store *s, int i)
{
    char path[1400];
    int *r = s->round[i];
    if (!in_files(s) || r[NEWEST] == r[NEEDED]) return;
    state_path(path, s, i, r[NEWEST]);
    unlink(path);
    r[NEWEST] = r[BEFORE] >= 0 ? r[BEFORE] : r[NEEDED];
    r[BEFORE] = -1;
}

int site_store_undo(struct site_store *s, int i, struct site_state *state, struct error *e)
{
    char path[1400];
    int *r = s->round[i];
    r[NEEDED] = -1;
    if (site_store_resume(s, r[NEWEST] - 1, e)) return -1;
    if (r[NEEDED] < 0) {
        state_path(path, s, i, r[NEWEST]);
        if (site_state_read(state, NULL, s->f, s->layout, path, e)) return -1;
        if (state->rounds_before != 1) return 0;
    }
    site_store_forget(s, i);
    return 0;
}

int site_store_newest(const struct site_store *s, int i)
{
    return s->round[i][NEWEST];
}

/* A file that is there no more, unless another place still has it. */
static void remove_old(const struct site_store *s, int i, int round)
{
    char path[1400];
    for (int k = 0; k < ROUNDS; k++)
        if (s->round[i][k] == round) return;
    if (round < 0) return;
    state_path(path, s, i, round);
    unlink(path);
}

/* What an update that is not taken in goes back to is kept until the next one. */
void site_store_saved(struct site_store *s, int i, int round)
{
    if (!in_files(s)) return;
    int *r = s->round[i], old = r[NEWEST], before = r[BEFORE];
    r[NEWEST] = round;
    r[BEFORE] = agreement_pairs(s->f) && old < round ? old : -1;
    if (round <= s->checkpoint) r[NEEDED] = round;
    remove_old(s, i, old);
    remove_old(s, i, before);
}

int site_store_save(struct site_store *s, int i, const struct site_state *state, const struct update *u,
                    struct error *e)
{
    char path[1400];
    if (!in_files(s)) {
        copy_state(&s->state[i], state, s->layout);
        return 0;
    }
    state_path(path, s, i, state->next_round);
    if (make_folder(s, e) || site_state_write(state, u, s->f, s->layout, path, e)) return -1;
    remove_pause(s, i);
    site_store_saved(s, i, state->next_round);
    return 0;
}

int site_store_update(struct site_store *s, int i, struct site_state *state, struct update *u,
                      struct error *e)
{
    char path[1400];
    if (!in_files(s) || s->round[i][NEWEST] < 1) return 1;
    site_state_reset(state, s->name[i], s->layout);
    state_path(path, s, i, s->round[i][NEWEST]);
    return site_state_read(state, u, s->f, s->layout, path, e);
}

void site_store_checkpoint(struct site_store *s, int round)
{
    s->checkpoint = round;
    if (!in_files(s)) remove_pause(s, 0);
    for (int i = 0; in_files(s) && i < s->count; i++) {
        int *r = s->round[i], old = r[NEEDED], before = r[BEFORE];
        if (r[NEWEST] > round) continue;
        r[NEEDED] = r[NEWEST];
        r[BEFORE] = -1;
        remove_old(s, i, old);
        remove_old(s, i, before);
    }
}

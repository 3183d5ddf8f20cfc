/* peers.c - tasks to the other processes and updates back from them. */
#include "fl/peers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl/simulation.h"

enum { ANSWER_MOST = 1 << 16 }; /* bytes of an update's numbers as JSON */

struct round_head {
    int32_t over, round, checkpoint, failed;
    double clip; /* of adaptive clipping */
};

int peers_start(const struct federate_peers *p, int status, struct error *e)
{
    int32_t failed = status != 0;
    struct error own;
    if (!p) return status;
    if (p->broadcast(p->arg, &failed, sizeof failed, &own))
        return status ? status : error_set(e, "%s", own.text);
    if (failed && p->rank) return error_set(e, "rank 0 cannot begin");
    return status;
}

/* Whose update of the round before rank 0 did not take in: where its state goes with it, the rank that has
 * the site goes back too. */
static int tell_left_out(struct simulation *s, struct error *e)
{
    const struct federate_peers *p = s->o->peers;
    unsigned char *left = calloc((size_t)s->o->clients + 1, 1);
    if (!left) return error_set(e, "out of memory for %d sites", s->o->clients);
    for (int k = 0; k < s->o->clients; k++) left[k] = s->result[k].left_out;
    int status = p->broadcast(p->arg, left, (size_t)s->o->clients, e);
    for (int i = 0, turn = 0; !status && p->rank && i < s->f.sites; i++) {
        const int k = s->training[i], own = s->chosen[i] && turn++ % p->ranks == p->rank;
        if (own && left[k]) site_store_forget(&s->store, k);
    }
    free(left);
    return status;
}

int peers_begin(struct simulation *s, int over, struct error *e)
{
    const struct federate_peers *p = s->o->peers;
    struct round_head h = {over, s->server.round, s->store.checkpoint, 0, s->server.clip};
    size_t bytes = s->global->count * sizeof(float);
    if (p->broadcast(p->arg, &h, sizeof h, e) || p->broadcast(p->arg, s->global->data, bytes, e)) return -1;
    for (int k = 0; k < s->f.strategy->shared_slots; k++)
        if (p->broadcast(p->arg, s->server.slot[k], bytes, e)) return -1;
    if (agreement_pairs(&s->f) && tell_left_out(s, e)) return -1;
    if (p->rank == 0) return over;
    int first = !s->joined;
    s->joined = 1;
    s->server.round = h.round;
    s->server.clip = h.clip;
    if (first && site_store_resume(&s->store, h.round, e)) return -1;
    site_store_checkpoint(&s->store, h.checkpoint);
    return h.over;
}

/* ---- one answer: length, JSON with numbers or the failure, values -------------------------------------- */

static int send_bytes(const struct federate_peers *p, const void *data, size_t size, struct error *e)
{
    uint64_t n = size;
    return p->send(p->arg, &n, sizeof n, e) || p->send(p->arg, data, size, e) ? -1 : 0;
}

int peers_send(struct simulation *s, const struct worker *w, int k, struct error *e)
{
    const struct federate_peers *p = s->o->peers;
    const struct site_result *r = &s->result[k];
    struct json *j = update_json(&w->update);
    json_add_text(j, "failure", r->failure);
    json_add_number(j, "seconds", r->seconds);
    json_add_int(j, "packed", (int64_t)w->update.packed.size);
    char *text = json_format(j, 0);
    json_free(j);
    int status = text ? send_bytes(p, text, strlen(text), e) : error_set(e, "out of memory for an answer");
    free(text);
    if (status || r->failure[0]) return status;
    if (w->update.packed.size) return p->send(p->arg, w->update.packed.data, w->update.packed.size, e);
    return p->send(p->arg, w->update.values, w->update.count * sizeof(float), e);
}

static int receive_values(struct simulation *s, struct update *u, size_t packed, int from, struct error *e)
{
    const struct federate_peers *p = s->o->peers;
    bytes_free(&u->packed);
    if (!packed) return p->receive(p->arg, from, u->values, u->count * sizeof(float), e);
    unsigned char *to = bytes_grow(&u->packed, packed);
    if (!to) return error_set(e, "out of memory for a packed update of %zu bytes", packed);
    if (p->receive(p->arg, from, to, packed, e)) return -1;
    return compress_decode(u->values, u->count, u->packed.data, u->packed.size, e);
}

int peers_receive(struct simulation *s, struct worker *w, int k, int from, struct error *e)
{
    const struct federate_peers *p = s->o->peers;
    struct site_result *r = &s->result[k];
    char text[ANSWER_MOST], name[32];
    uint64_t n;
    snprintf(name, sizeof name, "answer of rank %d", from);
    if (p->receive(p->arg, from, &n, sizeof n, e)) return -1;
    if (n > sizeof text) return error_set(e, "%s: %llu bytes of numbers", name, (unsigned long long)n);
    if (p->receive(p->arg, from, text, (size_t)n, e)) return -1;
    struct json *j = json_parse(text, (size_t)n, e);
    if (!j) return error_prefix(e, "%s", name);
    snprintf(r->failure, sizeof r->failure, "%s", json_text(j, "failure", ""));
    r->seconds = json_number(j, "seconds", NAN);
    int64_t packed = json_integer(j, "packed", 0);
    int status = r->failure[0] ? 0 : update_from_json(&w->update, j, name, e);
    if (!status && strcmp(r->failure[0] ? s->o->client[k].name : w->update.site, s->o->client[k].name) != 0)
        status = error_set(e, "%s: is of site %s, not %s", name, w->update.site, s->o->client[k].name);
    json_free(j);
    if (status || r->failure[0]) return status;
    r->loss = w->update.loss;
    r->metric_local = w->update.metric_after;
    return packed < 0 ? error_set(e, "%s: %lld packed bytes", name, (long long)packed)
                      : receive_values(s, &w->update, (size_t)packed, from, e);
}

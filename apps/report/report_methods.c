/* report_methods.c - what it cost, how to get the same bits again, what was assumed, and checklists filled
 * where the program knows. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/base/progress.h"
#include "apps/report/report.h"
#include "fl/strategy/strategy.h"
#include "nn/folder/run.h"
#include "tensor/base/clock.h"
#include "tensor/base/cpu.h"

/* ---- cost ---------------------------------------------------------------------------------------------- */

static void put_cost_rows(struct text *t, const struct study *s, const struct study_task *task,
                          const char *name)
{
    for (int a = 0; task->present && a < task->arms; a++) {
        char time[32];
        double seconds = 0, test = 0, bytes = 0;
        for (int k = 0; k < task->seeds; k++) {
            seconds += task->run[a][k].seconds;
            test += task->run[a][k].test_seconds;
            bytes += task->run[a][k].bytes;
        }
        int rounds, iterations;
        arm_effort(&rounds, &iterations, s, task, a);
        double clients = arm_clients(s, a), each = (double)rounds * iterations;
        row_arm(t, name, s, a, "");
        cell_number(t, each, 0);
        cell_number(t, each * clients * task->seeds, 0);
        progress_time(time, seconds);
        text_printf(t, "<td>%s", time);
        progress_time(time, test);
        text_printf(t, "<td>%s<td>", time);
        if (s->arm[a].design->federated) {
            html_number(t, bytes * 1e-6, 1);
            text_puts(t, " MB");
        } else {
            text_puts(t, s->arm[a].design->each ? "none" : "all images");
        }
        text_puts(t, "\n");
    }
}

int report_cost(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    (void)r;
    (void)e;
    char time[32], processor[32];
    const struct study_task *task[] = {&s->segment, &s->classify};
    progress_time(time, s->seconds);
    progress_time(processor, clock_cpu_seconds());
    text_printf(
        t, "<h2 id=cost>Cost</h2>\n<p>%s: %s on %d threads (%s), %s of processor time; peak memory ",
        s->continued ? "The last part of this study, which was stopped and continued" : "Whole study", time,
        s->threads, cpu_isa_name(cpu_isa()), processor);
    html_number(t, s->peak_bytes * 1e-9, 2);
    text_puts(t, s->continued ? " GB. Below, trainings have all of their time, and tests that of what was "
                                "not there before.</p>\n"
                              : " GB.</p>\n");
    text_puts(t, "<div class=scroll><table><caption><span>Training and test, all "
                 "seeds</span></caption><tr><th>arm<th>steps of a model<th>steps "
                 "computed<th>training<th>test<th>moved between sites and server\n");
    put_cost_rows(t, s, &s->segment, "segmentation");
    put_cost_rows(t, s, &s->classify, "classification");
    text_puts(t, "</table></div>\n"
                 "<div class=scroll><table><caption><span>One "
                 "step</span></caption><tr><th>network<th>parameters<th>memory of a "
                 "step<th>GFLOP<th>prepared cases\n");
    for (int i = 0; i < 2; i++) {
        if (!task[i]->present) continue;
        text_printf(t, "<tr><th>%s<td>", i ? "classification" : "segmentation");
        html_number(t, (double)task[i]->parameters * 1e-6, 2);
        text_puts(t, " M<td>");
        html_number(t, (double)task[i]->step_bytes * 1e-6, 1);
        text_puts(t, " MB<td>");
        html_number(t, 3 * task[i]->flops * 1e-9, 1);
        cell_number(t, (double)task[i]->case_bytes * 1e-6, 0);
        text_puts(t, " MB\n");
    }
    text_puts(t, "</table></div>\n");
    return 0;
}

/* ---- reproduction -------------------------------------------------------------------------------------- */

static void put_hashes(struct text *t, const struct study *s, const struct study_task *task, const char *name)
{
    for (int a = 0; task->present && a < task->arms; a++)
        for (int k = 0; k < task->seeds; k++) {
            row_arm(t, name, s, a, "");
            text_printf(t, "<td>%" PRIu64 "<td><code>%016" PRIx64 "</code>\n", s->seed + (uint64_t)k,
                        task->run[a][k].hash);
        }
}

static void put_options(struct text *t, const struct study_task *task, const char *name)
{
    if (!task->present) return;
    struct json *j = train_options_json(&task->options);
    char *text = json_format(j, 0);
    text_printf(t, "<tr><th>%s<td><code>", name);
    if (text) html_escaped(t, text);
    text_puts(t, "</code>\n");
    free(text);
    json_free(j);
}

/* What the classifier sees of a case. */
static void put_input(struct text *t, const struct study *s)
{
    const int *crop = s->classify.options.crop;
    char window[3][PLOT_NUMBER];
    if (!(s->window_mm[0] > 0)) {
        text_printf(t,
                    "the whole image (there are no masks), resampled to %d × %d × %d points, each channel "
                    "scaled to mean 0 and deviation 1",
                    crop[0], crop[1], crop[2]);
        return;
    }
    text_printf(t,
                "a window of %s × %s × %s mm around the mask (a quarter more than 19 of 20 training masks "
                "need), sampled at %d × %d × %d points, all channels and the mask, and all channels inside "
                "of the mask once more, magnified from its box, all scaled over the whole image",
                plot_number(window[0], s->window_mm[0], 0), plot_number(window[1], s->window_mm[1], 0),
                plot_number(window[2], s->window_mm[2], 0), crop[0], crop[1], crop[2]);
}

static void put_networks(struct text *t, const struct study *s)
{
    if (s->segment.present)
        text_printf(t,
                    "<li>Segmentation: %s with %s norm by nnU-Net's planning rules, %d stages, %d features "
                    "first, patch %d × %d × %d, batch %d; loss Dice and %scross-entropy%s, over the heads of "
                    "deep supervision where the network has them; tested by sliding window, step %.2f%s.\n",
                    s->plan->network->title, network_plan_norm_of(s->plan)->name, s->plan->stages,
                    s->plan->features[0], s->plan->patch[0], s->plan->patch[1], s->plan->patch[2],
                    s->segment.options.batch, s->dataset.regions ? "binary " : "",
                    s->dataset.regions ? " of each region" : "", s->sizes.step,
                    s->sizes.mirror ? ", averaged over mirror images" : "");
    if (s->classify.present) {
        const struct train_options *o = &s->classify.options;
        const int twice = s->classify.run[0][0].piped != NULL;
        char names[COVARIATE_LIST];
        covariates_list(names, &o->covariates);
        text_printf(t, "<li>Classification: 3D %s-%d of width %d with %s norm on ",
                    o->classifier.network->title, o->classifier.depth, o->classifier.base,
                    network_classifier_norm_of(&o->classifier)->name);
        put_input(t, s);
        text_printf(t,
                    "; beside the image in its last layer%s%s%s; cross-entropy weighted against class "
                    "frequency (in the federation by each site's own)%s.\n",
                    *names ? " " : " nothing", names,
                    *names ? ", standardised on the arm's training cases, where a missing value is the mean; "
                             "their weights begin with those of a logistic regression on these cases"
                           : "",
                    twice ? "; each training case comes twice, by its reference mask and by the mask that "
                            "the arm's own segmentation predicts for it"
                          : "");
    }
}

/* The numbers of a strategy, which no option of a study changes. */
static void put_strategy(struct text *t, const char *name)
{
    const struct strategy *strategy = strategy_find(name);
    double option[STRATEGY_OPTIONS];
    if (!strategy) return;
    strategy_standard(option, strategy);
    for (int i = 0; i < strategy_options(strategy); i++) {
        text_printf(t, "%s%s ", i ? ", " : "; ", strategy->option[i].name);
        text_put_double(t, option[i]);
    }
}

int report_methods(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    (void)r;
    (void)e;
    text_puts(t, "<h2 id=methods>Methods and assumptions</h2>\n<ul>\n");
    put_networks(t, s);
    text_puts(t, "<li>Arms:<ul>");
    for (int i = 0; arm_design_at(i); i++) {
        const struct arm_design *d = arm_design_at(i);
        int there = 0;
        for (int a = 0; a < s->arms; a++) there |= s->arm[a].design == d;
        if (!there) continue;
        text_printf(t, "<li>%s: %s", d->name, d->text);
        if (d->strategy) put_strategy(t, d->strategy);
    }
    text_puts(t, "</ul>\n"
                 "<li>Federated: FedAvg; every round each site trains from the global weights with an "
                 "optimiser that stays at the site, and the server averages weights by numbers of training "
                 "cases. Every site takes part in every round; nothing is lost and no noise is added.\n"
                 "<li>Equal effort: unless its line above says otherwise, a model takes the same number of "
                 "optimiser steps in a row with the same schedule and batch, from the same initial weights "
                 "for a seed. The federation therefore computes as many times more steps as it has sites, "
                 "and sees more images than the centralised model in the same number of steps; counted by "
                 "images instead, the comparison would favour the centralised model more.\n"
                 "<li>Final weights are tested. Hyper-parameters were set before and are the same in all "
                 "arms; the test cases decided nothing.\n"
                 "<li>The plan and its intensity statistics come from all training cases of all sites; a "
                 "real federation would exchange them, too.\n"
                 "<li>The design is that of " REPORT_PAPER ", whose abstract does not state: rounds, local "
                 "epochs, depth and dimension of the ResNet, input size, augmentation, one network for both "
                 "sequences or two, weighting of the average, cases of each institution, thresholds, "
                 "intervals. What stands here are this program's choices.\n</ul>\n");
    text_puts(t, "<h2 id=reproduce>To get the same bits again</h2>\n"
                 "<div class=scroll><table>\n"
                 "<tr><th>command<td><code>");
    html_escaped(t, s->command);
    text_printf(t,
                "</code>\n<tr><th>program<td>nephron %s, %s, %s, %d threads (weights do not depend on %s)\n"
                "<tr><th>data<td>",
                NEPHRON_VERSION, s->sizes.bf16 ? "bf16" : "fp32", cpu_isa_name(cpu_isa()), s->threads,
                s->sizes.bf16 ? "their number" : "either");
    html_escaped(t, s->data);
    text_printf(t, "\n<tr><th>SHA-256 of the data<td><code>%s</code>\n", s->data_hash);
    put_options(t, &s->segment, "segmentation");
    put_options(t, &s->classify, "classification");
    text_puts(t, "</table></div>\n");
    if (s->departed)
        text_puts(t, "<p class=note>This study was gone on with otherwise than it was begun (<a "
                     "href=#protocol>Endpoints</a>): the command alone need not give the same bits.</p>\n");
    text_puts(t, "<details><summary>Hashes of the final weights</summary><div "
                 "class=scroll><table><tr><th>arm<th>seed<th>weights\n");
    put_hashes(t, s, &s->segment, "segmentation");
    put_hashes(t, s, &s->classify, "classification");
    text_puts(t, "</table></div></details>\n");
    return 0;
}

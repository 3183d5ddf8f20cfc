/* report_checklists.c - CLAIM 2024, TRIPOD+AI, METRICS and a list for federated learning: every item, and
 * whether this report answers it. */
#include <stddef.h>

#include "apps/report/report.h"

/* Only DONE counts: the report holds the answer. */
enum answer { DONE, PARTLY, NOT_DONE, AUTHORS, ANSWERS };
/* Behind it, what a study may be without: the item is not done then. */
enum need {
    MAPS = 4,      /* segmentation */
    CLASSES = 8,   /* classification */
    TWO = 16,      /* of two classes */
    SIMPLER = 32,  /* models of features inside of masks */
    CLINICAL = 64, /* a model of age and sex */
    ALONE = 128,   /* each site by itself */
    UNSEEN = 256,  /* somebody who did not train */
    SEEDS = 512    /* several */
};
struct entry {
    const char *topic;
    int is;           /* enum answer | enum need */
    const char *text; /* where or what; of AUTHORS it may be NULL */
};

#define SITES "<a href=#sites>Institutions</a>"
#define FLOW "<a href=#flow>Participant flow</a>"
#define METHODS "<a href=#methods>Methods</a>"
#define REPRODUCE "<a href=#reproduce>To get the same bits</a>"
#define SEGMENTATION "<a href=#segmentation>Segmentation</a>"
#define CLASSIFICATION "<a href=#classification>Classification</a>"
#define ENDPOINTS "<a href=#protocol>Endpoints</a>"

static const struct entry claim[] = {
    {"1 Title or abstract names the AI method", AUTHORS, NULL},
    {"2 Structured abstract", AUTHORS, NULL},
    {"3 Background and intended use", AUTHORS, NULL},
    {"4 Aims, objectives, hypotheses", DONE, ENDPOINTS},
    {"5 Prospective or retrospective", AUTHORS, NULL},
    {"6 Goal of the study", DONE, ENDPOINTS},
    {"7 Data sources", PARTLY, SITES " lists them; where and when images were made is the authors' to tell"},
    {"8 Inclusion and exclusion", PARTLY, FLOW ": technical exclusions; clinical criteria are the authors'"},
    {"9 Preprocessing", DONE, "runs/plans.json and " METHODS},
    {"10 Selection of subsets", DONE, "None was made beyond the " FLOW},
    {"11 De-identification", AUTHORS, NULL},
    {"12 Missing data", DONE,
     FLOW ": cases without label or site are left out; missing age or sex counts as the mean in the simpler "
          "models"},
    {"13 Image acquisition protocol", PARTLY,
     "Spacing and size under " SITES "; the protocol is the authors'"},
    {"14 Reference standard", AUTHORS, NULL},
    {"15 Reason for the reference standard", AUTHORS, NULL},
    {"16 Source of annotations, qualification", AUTHORS, NULL},
    {"17 Annotation of the test set", AUTHORS, NULL},
    {"18 Variability of annotators", NOT_DONE, "Not done: one mask a case"},
    {"19 How data were assigned to partitions", DONE,
     FLOW ": at random with the seed, by patient, stratified by institution and class"},
    {"20 Level at which partitions are disjoint", DONE,
     "By patient, where patients.csv names them; else by case"},
    {"21 Intended sample size", PARTLY,
     "What the size could show: power and detectable difference beside each test; no calculation before"},
    {"22 Detailed model", DONE, METHODS ", runs/plans.json"},
    {"23 Software and packages", DONE, REPRODUCE ": nephron alone"},
    {"24 Initial parameters", DONE,
     "He's normal distribution from the seeds under " REPRODUCE "; no pretraining"},
    {"25 Training approach", DONE, "Options of both tasks under " REPRODUCE},
    {"26 Selection of the final model", DONE, "None: final weights are tested"},
    {"27 Ensembling", DONE, "Dice: mean over seeds of each case; probability: mean over seeds"},
    {"28 Metrics", DONE, "Named and defined beside each number"},
    {"29 Statistical significance and uncertainty", DONE,
     "Patients, and seeds where there are several, as random (of three and more classes patients alone); "
     "conditional tests beside them"},
    {"30 Robustness or sensitivity analysis", PARTLY, "Seeds, institutions, sizes; no artificial corruption"},
    {"31 Explainability", NOT_DONE, "Not done"},
    {"32 Evaluation on internal data", DONE, SEGMENTATION ", " CLASSIFICATION},
    {"33 Evaluation on external data", DONE | UNSEEN,
     "Tables by institution: external cases, or institutions that a model has not seen"},
    {"34 Clinical trial registration", AUTHORS, NULL},
    {"35 Numbers included and excluded", DONE, FLOW},
    {"36 Demographics by partition", PARTLY, "By institution under " SITES ", not by partition"},
    {"37 Performance, with uncertainty", DONE, SEGMENTATION ", " CLASSIFICATION},
    {"38 Estimates of diagnostic performance", DONE | TWO,
     CLASSIFICATION ": AUC, sensitivity, specificity, predictive values"},
    {"39 Failure analysis", DONE | MAPS,
     "<a href=#pictures>Worst cases</a>, missed structures counted, Dice by size and institution"},
    {"40 Limitations", PARTLY, "What was not shown is said first; clinical limitations are the authors'"},
    {"41 Implications for practice", AUTHORS, NULL},
    {"42 Full protocol", PARTLY, "protocol.json: endpoints, margins, arms, seeds, before the first training"},
    {"43 Availability of software, model and data", PARTLY,
     "Code: nephron, MIT; weights in runs/; data are the authors' (synthetic ones come from the command)"},
    {"44 Funding and role of funders", AUTHORS, NULL},
};

static const struct entry tripod[] = {
    {"1 Title", AUTHORS, NULL},
    {"2 Abstract", AUTHORS, NULL},
    {"3a Context and existing models", AUTHORS, NULL},
    {"3b Target population and users", AUTHORS, NULL},
    {"3c Health inequalities", AUTHORS, NULL},
    {"4 Objectives", DONE, ENDPOINTS},
    {"5a Sources of data", PARTLY, SITES "; their origin is the authors'"},
    {"5b Dates of accrual and follow-up", AUTHORS, NULL},
    {"6a Setting, centres", DONE, SITES},
    {"6b Eligibility", PARTLY, FLOW ": technical criteria"},
    {"6c Treatments", AUTHORS, NULL},
    {"7 Data preparation, the same for all groups", DONE, METHODS ": one plan for all institutions"},
    {"8a Outcome and its assessment", PARTLY | CLASSES,
     "Class 1 of labels.csv; how it was assessed is the authors'"},
    {"8b Qualification of outcome assessors", AUTHORS, NULL},
    {"8c Blinding of the outcome assessment", AUTHORS, NULL},
    {"9a Choice of predictors", DONE | CLASSES,
     "All channels and the mask; simpler models: shape, first order, age, sex"},
    {"9b Definition of predictors", DONE | SIMPLER, CLASSIFICATION},
    {"9c Qualification for subjective predictors", NOT_DONE | CLASSES,
     "Masks are subjective predictors; their readers are not known to the program. On predicted masks none "
     "is left"},
    {"10 Sample size", PARTLY, "Power and detectable difference beside each test"},
    {"11 Missing data", DONE, FLOW},
    {"12a Use of data for development and evaluation", DONE, FLOW},
    {"12b Handling of predictors", DONE, "z-score of each image"},
    {"12c Type of model, building, internal validation", DONE, METHODS},
    {"12d Heterogeneity between clusters", DONE, "Results by institution and hospital"},
    {"12e Measures and plots of performance", DONE | TWO, "Discrimination, calibration, decision curve"},
    {"12f Model updating", DONE | TWO, "Recalibration on validation cases"},
    {"12g How predictions are computed", DONE, "runs/, predictions/classification"},
    {"13 Class imbalance", DONE | TWO, "Weighted cross-entropy, then recalibration"},
    {"14 Fairness", PARTLY, "By institution and hospital; not by age and sex"},
    {"15 Model output and thresholds", DONE | TWO,
     CLASSIFICATION ": probability; thresholds 0.5, Youden's, sensitivity 0.9"},
    {"16 Differences between development and evaluation", DONE, SITES ": earth mover's distance; --external"},
    {"17 Ethical approval", AUTHORS, NULL},
    {"18a Funding", AUTHORS, NULL},
    {"18b Conflicts of interest", AUTHORS, NULL},
    {"18c Protocol", PARTLY, "protocol.json"},
    {"18d Registration", AUTHORS, NULL},
    {"18e Data sharing", AUTHORS, NULL},
    {"18f Code sharing", DONE, "nephron, MIT"},
    {"19 Patient and public involvement", AUTHORS, NULL},
    {"20a Flow of participants", DONE, FLOW},
    {"20b Characteristics, by setting", DONE, SITES},
    {"20c Comparison of development and evaluation data", PARTLY,
     "Numbers by class and part; characteristics by institution only"},
    {"21 Participants and events in each analysis", DONE, "Beside each table"},
    {"22 Full model", DONE, "runs/*/checkpoint_final.safetensors"},
    {"23a Performance with intervals, subgroups", DONE, SEGMENTATION ", " CLASSIFICATION},
    {"23b Heterogeneity", DONE, "Tables by institution and hospital"},
    {"24 Updated model", DONE | TWO, "Intercept and slope of the recalibration"},
    {"25 Interpretation", AUTHORS, NULL},
    {"26 Limitations", PARTLY, "What was not shown, and what could have been"},
    {"27a Poor or missing input at use", NOT_DONE, "Not done: images of bad quality are not recognised"},
    {"27b User interaction and expertise", AUTHORS, NULL},
    {"27c Next steps", AUTHORS, NULL},
};

static const struct entry metrics[] = {
    {"1 Adherence to guidelines and checklists", DONE, "This section"},
    {"2 Eligibility criteria", PARTLY, FLOW ": technical ones"},
    {"3 Quality of the reference standard", AUTHORS, NULL},
    {"4 Multi-centre", DONE, SITES},
    {"5 Clinical translatability of the images", AUTHORS, NULL},
    {"6 Imaging protocol", PARTLY, "Spacing by institution"},
    {"7 Interval between imaging and reference standard", AUTHORS, NULL},
    {"8 Description of segmentation", DONE | MAPS, SEGMENTATION},
    {"9 Formal evaluation of fully automated segmentation", DONE | MAPS, SEGMENTATION},
    {"10 Test set segmented by one reader or automatically", DONE | MAPS | CLASSES,
     "Both: the reference and the arm's own predicted mask"},
    {"11 Image preprocessing", DONE, METHODS},
    {"12 Standard feature extraction software", NOT_DONE | SIMPLER,
     "The simpler models' features are this program's own and follow no standard (IBSI)"},
    {"13 Parameters of feature extraction", DONE | SIMPLER,
     CLASSIFICATION ": the features are defined there"},
    {"14 Removal of non-robust features", NOT_DONE | SIMPLER, "Not done: trees take all features"},
    {"15 Removal of redundant features", NOT_DONE | SIMPLER, "Not done"},
    {"16 Dimensionality against data size", DONE | SIMPLER, "Fewer than thirty features"},
    {"17 Robustness of end-to-end deep learning", PARTLY | SEEDS, "Several seeds; no artificial corruption"},
    {"18 Partitions and data leakage", DONE, FLOW ": by patient"},
    {"19 Confounders", PARTLY | SIMPLER,
     "Volume alone stands beside the network; scanner is not tested as a shortcut"},
    {"20 Metrics that fit the task", DONE, SEGMENTATION ", " CLASSIFICATION},
    {"21 Uncertainty", PARTLY,
     "Intervals of Dice, areas, shares and differences; not of HD95, lesions, calibration, operating points"},
    {"22 Calibration", DONE | TWO, CLASSIFICATION},
    {"23 Uni-parametric model or proof of its inferiority", DONE | SIMPLER, "Volume alone"},
    {"24 Comparison with a non-radiomic or clinical model", DONE | SIMPLER | CLINICAL,
     "Volume with age and sex, where they are known"},
    {"25 Comparison with simple or classical models", DONE | SIMPLER,
     "Logistic regression and boosted trees with DeLong's test"},
    {"26 Internal testing", DONE, SEGMENTATION ", " CLASSIFICATION},
    {"27 External testing", DONE | UNSEEN,
     "Tables by institution: external cases, or institutions that a model has not seen"},
    {"28 Data availability", AUTHORS, NULL},
    {"29 Code availability", DONE, "nephron, MIT"},
    {"30 Model availability", DONE, "runs/*/checkpoint_final.safetensors"},
};

static const struct entry federated[] = {
    {"Topology, who aggregates", DONE, "A central server, simulated in one process"},
    {"Real or simulated federation", DONE, "Simulated"},
    {"Aggregation and its weights", DONE, "FedAvg by training cases; other strategies as arms"},
    {"Participation and drop-outs", DONE, "Every site in every round; none is lost"},
    {"Rounds and local steps", DONE, REPRODUCE ": epochs are rounds, iterations local steps"},
    {"State that stays at the sites", DONE, "The optimiser's moments; FedBN's norms"},
    {"Equal computing or equal data between arms", DONE,
     "Steps of each arm under <a href=#cost>Cost</a>; --arms federated_equal_images, centralised_long"},
    {"Heterogeneity of the sites", DONE, SITES ": earth mover's distance, class shares, spacing"},
    {"Baselines: alone and pooled", DONE | ALONE, "Each site alone, all cases together"},
    {"Global and local results at every site", DONE, "Tables by institution and hospital, rounds.csv"},
    {"A site that took no part", DONE | UNSEEN,
     "Tables by institution: external cases, or institutions that a model has not seen"},
    {"Communication", DONE, "<a href=#cost>Bytes</a>, both ways, without compression"},
    {"Privacy and attacks", NOT_DONE,
     "Not done: only weights leave a site, without differential privacy or secure aggregation; no attack was "
     "tried"},
    {"Failure of sites, malicious sites", NOT_DONE, "Not done in this study"},
    {"Versions of the global model", DONE, "A hash of the weights after every round, in rounds.csv"},
    {"Harmonisation before training", DONE, "One plan for all sites from all training cases"},
    {"Cost at the sites", PARTLY, "Time and memory of this simulation; not of a site's own machine"},
    {"Governance and consent", AUTHORS, NULL},
};

/* What there is of a study. */
static int list_there(const struct study *s, const struct results *r)
{
    const struct baseline *b = r->classify.baseline;
    const int classes = s->classify.present, two = classes && r->classify.classes == 2;
    int there = 0;
    if (s->segment.present) there |= MAPS;
    if (classes) there |= CLASSES;
    if (two) there |= TWO;
    if (two && b[BASELINE_VOLUME].present) there |= SIMPLER;
    if (two && b[BASELINE_CLINICAL].present) there |= CLINICAL;
    for (int a = 0; a < s->arms; a++)
        if (s->arm[a].design->each) there |= s->arm[a].design->others ? UNSEEN : ALONE;
    if (s->external) there |= UNSEEN;
    if (s->segment.seeds > 1 || s->classify.seeds > 1) there |= SEEDS;
    return there;
}

/* Why an item is not done; NULL where nothing that it needs is missing. */
static const char *find_missing(int is, int there)
{
    const int missing = is & ~there & ~(ANSWERS - 1);
    const int of_classes = missing & (CLASSES | TWO | SIMPLER | CLINICAL);
    if (missing & MAPS) return "Not in this study: it has no segmentation";
    if (of_classes && !(there & CLASSES)) return "Not in this study: it has no classification";
    if (of_classes && !(there & TWO)) return "Not in this study: given for two classes alone";
    return missing & SIMPLER    ? "Not in this study: without masks there are no features"
           : missing & CLINICAL ? "Not in this study: neither age nor sex is known"
           : missing & ALONE    ? "Not in this study: no arm of a site alone (--arms alone)"
           : missing & UNSEEN   ? "Not in this study: only with --external or --arms leave_one_out"
           : missing & SEEDS    ? "Not in this study: one seed"
                                : NULL;
}

static void put_checklist(struct text *t, const char *name, const char *source, const struct entry *list,
                          int n, int there)
{
    static const char *const word[] = {"", "partly: ", "", "to be written by the authors"};
    int count[ANSWERS] = {0};
    for (int i = 0; i < n; i++) count[find_missing(list[i].is, there) ? NOT_DONE : list[i].is % ANSWERS]++;
    text_printf(t,
                "<details><summary>%s: %d of %d answered, %d partly, %d not done, %d left to the "
                "authors</summary><p>%s</p><div class=scroll><table><tr><th>item<th>where, or what\n",
                name, count[DONE], n, count[PARTLY], count[NOT_DONE], count[AUTHORS], source);
    for (int i = 0; i < n; i++) {
        const char *missing = find_missing(list[i].is, there), *text = missing ? missing : list[i].text;
        const int is = missing ? NOT_DONE : list[i].is % ANSWERS;
        text_printf(t, "<tr><th>%s<td>%s%s%s%s\n", list[i].topic, is == DONE ? "" : "<span class=todo>",
                    word[is], text ? text : "", is == DONE ? "" : "</span>");
    }
    text_puts(t, "</table></div></details>\n");
}

int report_checklists(struct text *t, const struct study *s, const struct results *r, struct error *e)
{
    const int there = list_there(s, r);
    (void)e;
    text_puts(t, "<h2 id=checklists>Checklists</h2>\n"
                 "<p>Items in our own words and shortened; the published lists are what counts. Only items "
                 "that this report itself answers are counted as answered.</p>\n");
    put_checklist(t, "CLAIM 2024",
                  "After the Checklist for Artificial Intelligence in Medical Imaging, update of 2024.",
                  claim, sizeof claim / sizeof *claim, there);
    put_checklist(t, "TRIPOD+AI", "After TRIPOD+AI (2024).", tripod, sizeof tripod / sizeof *tripod, there);
    put_checklist(t, "METRICS", "After the Methodological Radiomics Score (2024).", metrics,
                  sizeof metrics / sizeof *metrics, there);
    put_checklist(t, "Federated learning",
                  "No list is established; these are the points that systematic reviews of federated "
                  "learning in medicine found missing.",
                  federated, sizeof federated / sizeof *federated, there);
    return 0;
}

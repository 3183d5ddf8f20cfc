/* nnunet_paths.c - datasets and models by number, below nnUNet_raw and nnUNet_results. */
#include "nn/data/nnunet_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/base/file.h"

/* The number of "4", "004", "Dataset004" or "Dataset004_NAME"; -1 where the text is none of these. */
static int dataset_number(const char *text, size_t length)
{
    size_t at = length > 7 && strncmp(text, "Dataset", 7) == 0 ? 7 : 0,
           digits = strspn(text + at, "0123456789");
    if (digits > length - at) digits = length - at;
    int ends = at + digits == length || (at && text[at + digits] == '_');
    return digits >= 1 && digits <= 6 && ends ? atoi(text + at) : -1;
}

/* The only folder of that number below root. */
static int find_number(char *buf, size_t size, const char *root, int number, const char *variable,
                       struct error *e)
{
    struct file_list list;
    const char *found = NULL;
    int status = 0;
    if (file_list(root, &list, e)) return error_prefix(e, "%s", variable);
    for (int i = 0; !status && i < list.count; i++) {
        if (strncmp(list.name[i], "Dataset", 7) ||
            dataset_number(list.name[i], strlen(list.name[i])) != number)
            continue;
        if (found)
            status = error_set(e, "%s (%s): %s and %s have the number %d", root, variable, found,
                               list.name[i], number);
        else found = list.name[i];
    }
    if (!status && !found)
        status = error_set(e, "%s (%s): no folder Dataset%03d_NAME", root, variable, number);
    if (!status) status = file_join(buf, size, root, found, e);
    file_list_free(&list);
    return status;
}

static int take(char *buf, size_t size, const char *text, struct error *e)
{
    if (strlen(text) >= size) return error_set(e, "%.60s...: path is too long", text);
    strcpy(buf, text);
    return 0;
}

/* The folder below the variable's that `length` characters of the text name; 1 where they name none or the
 * variable is not set. */
static int find_folder(char *buf, size_t size, const char *text, size_t length, const char *variable,
                       struct error *e)
{
    const char *root = getenv(variable);
    char name[256];
    int number = dataset_number(text, length);
    if (!root || !*root || length >= sizeof name) return 1;
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    if (file_join(buf, size, root, name, e)) return -1;
    if (file_is_dir(buf)) return 0;
    return number < 0 ? 1 : find_number(buf, size, root, number, variable, e);
}

int nnunet_find_dataset(char *buf, size_t size, const char *text, struct error *e)
{
    if (file_exists(text)) return take(buf, size, text, e);
    int found = find_folder(buf, size, text, strlen(text), "nnUNet_raw", e);
    if (found <= 0) return found;
    if (dataset_number(text, strlen(text)) >= 0 && !getenv("nnUNet_raw"))
        return error_set(e,
                         "%.400s: no such file or folder, and nnUNet_raw, where a dataset of that number "
                         "would be, is not set",
                         text);
    return error_set(e, "%.400s: %s", text, file_absence(text));
}

/* Is this folder's name TRAINER__PLANS__CONFIGURATION, of that configuration (NULL: of any)? */
static int is_model(const char *name, const char *configuration)
{
    const char *plans = strstr(name, "__"), *last = plans ? strstr(plans + 2, "__") : NULL;
    return last && (!configuration || strcmp(last + 2, configuration) == 0);
}

/* name: the folder's own, or a configuration, or NULL. Of several of a configuration nnU-Net takes that of
 * its own trainer and plans, where nothing else is said. */
static int only_model(char *buf, size_t size, const char *dataset, const char *name, struct error *e)
{
    struct file_list list;
    char usual[300];
    const char *configuration = name;
    int found = -1, status = 0;
    for (int i = 0; name && i < 2; i++) {
        const int n = snprintf(usual, sizeof usual, "%s%s", i ? "nnUNetTrainer__nnUNetPlans__" : "", name);
        if (n >= (int)sizeof usual || file_join(buf, size, dataset, usual, e)) continue;
        if (is_model(usual, NULL) && file_is_dir(buf)) return 0;
    }
    if (file_list(dataset, &list, e)) return -1;
    for (int i = 0; !status && i < list.count; i++) {
        if (!is_model(list.name[i], configuration)) continue;
        if (found >= 0)
            status = error_set(e, "%s: holds %s and %s: name the one, as 4/%s", dataset, list.name[found],
                               list.name[i], list.name[i]);
        found = i;
    }
    if (!status && found < 0)
        status = error_set(e, "%s: no model folder TRAINER__PLANS__%s", dataset,
                           configuration ? configuration : "CONFIGURATION");
    if (!status) status = file_join(buf, size, dataset, list.name[found], e);
    file_list_free(&list);
    return status;
}

int nnunet_find_model(char *buf, size_t size, const char *text, struct error *e)
{
    const char *root = getenv("nnUNet_results"), *slash = strchr(text, '/');
    char dataset[1100];
    if (file_exists(text)) return take(buf, size, text, e);
    if (root && *root && slash) {
        if (file_join(buf, size, root, text, e)) return -1;
        if (file_is_dir(buf)) return 0;
    }
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    int found = find_folder(dataset, sizeof dataset, text, length, "nnUNet_results", e);
    if (found < 0) return -1;
    if (found == 0) return only_model(buf, size, dataset, slash && slash[1] ? slash + 1 : NULL, e);
    if (dataset_number(text, length) >= 0 && !root)
        return error_set(e,
                         "%.400s: no such run folder, and nnUNet_results, where a model of that number would "
                         "be, is not set",
                         text);
    const char *why = file_absence(text);
    return error_set(e, "%.400s: %s", text, strncmp(why, "no such", 7) == 0 ? "no such run folder" : why);
}

int nnunet_preprocessed(char *buf, size_t size, const char *dataset, const char *file)
{
    const char *root = getenv("nnUNet_preprocessed");
    char name[300];
    if (!root || !*root) return 0;
    file_own_name(name, sizeof name, dataset);
    return snprintf(buf, size, "%s/%s/%s", root, name, file) < (int)size && file_exists(buf);
}

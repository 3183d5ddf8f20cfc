/* cmd_convert.c - `nephron convert`: which conversion the two names and the options ask for. */
#include "apps/base/options.h"
#include "apps/command/commands.h"
#include "apps/convert/convert.h"
#include "io/base/file.h"
#include "io/formats/image_formats.h"
#include "io/formats/weights_formats.h"
#include "nn/data/roles.h"

/* Is it named as an image that can be written? */
static int is_image(const char *out)
{
    const struct image_format *f = image_format_named(out);
    return f && f->write;
}

/* Options of another conversion would change nothing. */
static int check_options(const struct operands *given, const struct option_spec *spec, int like)
{
    static const char *const heading[] = {"weights", "images", "label maps to DICOM"};
    const char *out = given->text[1];
    const int image = like || volume_suffix(out), is[] = {!image, image, like && !is_image(out)};
    for (int k = 0; k < 3; k++) {
        const char *other = is[k] ? NULL : options_given_below(given, spec, heading[k]);
        if (other && k == 2 && !like) return app_usage("convert", "--%s needs --like SERIES", other);
        if (other) return app_usage("convert", "--%s is for %s, %s is none of them", other, heading[k], out);
    }
    return 0;
}

int cmd_convert(int argc, char **argv)
{
    const char *prefix = NULL, *series = NULL, *fold = NULL, *checkpoint = NULL;
    int volume = 0;
    double max_gb = 0;
    struct convert_dicom dicom = {.as = "seg"};
    struct option_spec spec[] = {
        {OPTION_HEADING("weights")},
        {"fold", 'f', OPTION_TEXT, &fold, "K",
         "of a folder to one file: the network of this fold (default: the first trained to its end)", 0, 0,
         0},
        {"checkpoint", 0, OPTION_TEXT, &checkpoint, "NAME",
         "of a folder to one file: which weights (default: final, else best, else latest)", 0, 0,
         "final|best|latest"},
        {"prefix", 'p', OPTION_ANY_TEXT, &prefix, "NAME",
         "only the tensors below NAME, without it (\"\": all)", 0, 0, 0},
        {OPTION_HEADING("images")},
        {"series", 0, OPTION_TEXT, &series, "UID",
         "of a folder with several DICOM series: the one to convert (default: all)", 0, 0, 0},
        {"volume", 0, OPTION_INT, &volume, "N",
         "of a DICOM series with several volumes (times, echoes): the one to convert (default: all)", 1,
         100000, 0},
        {"max-gb", 0, OPTION_NUMBER, &max_gb, "G",
         "refuse images of more than G gigabytes in memory (default 8)", 1e-6, 1e6, 0},
        {"like", 0, OPTION_TEXT, &dicom.like, "SERIES",
         "of a label map: the DICOM series, a folder or a file of it, or the image that it belongs to", 0, 0,
         0},
        {OPTION_HEADING("label maps to DICOM")},
        {"as", 0, OPTION_TEXT, &dicom.as, "KIND",
         "a Segmentation or an RT Structure Set (seg)", 0, 0, "seg|rtstruct"},
        {"labels", 0, OPTION_TEXT, &dicom.labels, "FILE",
         "dataset.json with the names of the labels", 0, 0, 0},
        {0}};
    struct command_help help = {
        "convert IN OUT",
        "weights between nnU-Net's and PyTorch's files, safetensors and .npz, to ONNX; images between NIfTI, "
        "NRRD, MetaImage, TIFF, PNG; from DICOM",
        "IN is a .pth or .pt (nothing in it is executed), a .safetensors, a .npz, a run, or a model folder\n"
        "of nnU-Net with plans.json, dataset.json and fold_K/checkpoint_*.pth. OUT is a .safetensors or a\n"
        ".npz, of a folder the network of one fold, as PyTorch loads it into the same network\n"
        "(safetensors.torch.load_model); or, of a model folder, a new run folder of all its folds, which\n"
        "`nephron train` can continue from. Of an nnU-Net checkpoint the network is kept, each tensor under\n"
        "its first name; of other files every tensor, named by the path to it. In a .npz bfloat16 becomes\n"
        "float32 and metadata is lost.\n\n"
        "Of a run or model folder OUT may be an .onnx: the network of one fold (opset 13), input\n"
        "\"image\" [N][C][D][H][W], outputs \"logits\" and of a classifier \"probabilities\"; spacing,\n"
        "patch, labels, channels and normalisation stand in its metadata.\n\n"
        "Images: IN is a DICOM series (its folder, or any file of it) or an image file, OUT one of the\n"
        "other forms (.nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, .png, .tif): in the type of IN, else int16\n"
        "or float32 where values are scaled. Several DICOM series or volumes (times, echoes) become a file\n"
        "each: image_series1_volume2.nii.gz.\n\n"
        "With --like a label map goes onto the grid of that series or image, of which its voxels must be\n"
        "some: a DICOM Segmentation, which lacks the slices that nothing is in, becomes a label map of all\n"
        "slices. OUT.dcm is a DICOM Segmentation or an RT Structure Set that a hospital's viewer shows\n"
        "over the series; of the patient and the study the series' names and numbers are copied, as the\n"
        "standard asks for.\n\n"
        "  nephron convert SERIES_DIR image.nii.gz\n"
        "  nephron convert seg.dcm labels.nii.gz --like SERIES_DIR\n"
        "  nephron convert labels.nii.gz labels.dcm --like SERIES_DIR --labels dataset.json",
        spec};
    struct operands o;
    struct error e;
    int status;
    if (!options_parse(&o, argc, argv, &help, 2, 2, &status)) return status;
    const char *in = o.text[0], *out = o.text[1];
    if ((status = check_options(&o, spec, dicom.like != NULL))) return status;
    if (fold && !roles_is_fold(fold))
        return app_usage("convert", "--fold is '%s', must be 0, 1 and so on, or all", fold);
    const char *lost = options_replaced(out, &o);
    if (lost) return app_usage("convert", "OUT %s: would replace what is read, %s", out, lost);
    if (dicom.like && weights_format_named(out))
        return app_usage("convert", "--like is of label maps, %s would be weights", out);
    const int folder = !dicom.like && !volume_suffix(out) && !weights_format_named(out);
    if (folder ? file_is_dir(in) && file_check_folder_place(out, &e) : file_check_place(out, &e))
        return app_fail(&e);
    if (max_gb > 0) volume_set_limit(max_gb);
    if (dicom.like) {
        dicom.choice = (struct image_choice){.series = series, .volume = volume};
        status = (is_image(out) ? convert_to_grid : convert_to_dicom)(in, out, &dicom, &e);
        return status ? app_fail(&e) : 0;
    }
    if (file_has_suffix(out, ".dcm"))
        return app_usage("convert", "a .dcm is written of a label map, which needs --like SERIES");
    if (volume_suffix(out)) return convert_image(in, out, series, volume, &e) ? app_fail(&e) : 0;
    if (file_is_dir(in) && prefix != NULL)
        return app_usage("convert", "--prefix is for files, %s is a folder", in);
    if ((fold || checkpoint) && !(file_is_dir(in) && weights_format_named(out)))
        return app_usage("convert", "--fold and --checkpoint are for folders to one file, not %s to %s", in,
                         out);
    if (!file_is_dir(in)) status = convert_file(in, out, prefix, &e);
    else
        status = weights_format_named(out) ? convert_run(in, out, fold, checkpoint, &e)
                                           : convert_folder(in, out, &e);
    return status ? app_fail(&e) : 0;
}

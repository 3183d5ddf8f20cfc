#!/bin/sh
# check_compare.sh - compare and evaluate from outside, on small files made here: names with dots, ties,
# missed structures, seeds, patients, three classes, different cases. The statistics themselves are checked in
# tests/unit/nn/check_stats.c.
. tests/program/lib.sh

summary() { # metric, then case:value ... -> a summary.json of nnU-Net's form, without "case"
    metric=$1
    shift
    printf '{"metric_per_case": ['
    comma=
    for entry in "$@"; do
        printf '%s{"metrics": {"1": {"%s": %s}}, ' "$comma" "$metric" "${entry##*:}"
        printf '"prediction_file": "/x/%s.nii.gz", "reference_file": "/y/%s.nii.gz"}' "${entry%:*}" \
            "${entry%:*}"
        comma=', '
    done
    printf ']}\n'
}

# ---- names are cut at the image ending, not at the first dot -----------------------------------------------
summary Dice 1.2.840.1:0.5 2.2.840.2:0.6 3.x:0.7 >"$work/a.json"
summary Dice 1.2.840.7:0.5 2.2.840.9:0.6 3.z:0.7 >"$work/b.json"
summary Dice pat.1:0.5 pat.2:0.6 pat.3:0.7 pat.4:NaN >"$work/c.json"
refuses 1 "no case in common" $nephron compare "$work/a.json" "$work/b.json"
$nephron compare "$work/c.json" "$work/c.json" >"$work/out" && grep -q "4 paired cases" "$work/out" &&
    grep -q "left out, undefined in both: 1 (pat.4)" "$work/out"
ok "patients pat.1 to pat.4 are four; one without a Dice is told" $?

# nnU-Net writes backslashes under Windows, and both where a folder was given with slashes.
sed 's#/x/#C:\\\\runs\\\\one\\\\#g; s#/y/#C:\\\\gt\\\\#g' "$work/c.json" >"$work/win.json"
sed 's#/x/#d:/runs\\\\two\\\\#g; s#/y/#C:\\\\gt\\\\#g' "$work/c.json" >"$work/mixed.json"
for other in mixed c; do
    $nephron compare "$work/win.json" "$work/$other.json" >"$work/out" &&
        grep -q "4 paired cases" "$work/out" && grep -q "undefined in both: 1 (pat.4)" "$work/out"
    ok "summary.json of Windows against $other" $?
done

# ---- five equal differences cannot reach 0.05 --------------------------------------------------------------
summary Dice c0:1 c1:1 c2:1 c3:0.5 c4:1 only_a:1 >"$work/a.json"
summary Dice c0:0.5 c1:0.5 c2:0.5 c3:0 c4:0.5 only_b:0 >"$work/b.json"
$nephron compare "$work/a.json" "$work/b.json" --json "$work/j.json" >"$work/out" &&
    grep -q '"p": 0.0625' "$work/j.json" && grep -q "^- Not shown: that A and B differ in Dice" "$work/out"
ok "five ties: exact p 0.0625" $?
grep -q "left out, only in A: 1 (only_a)" "$work/out" &&
    grep -q "left out, only in B: 1 (only_b)" "$work/out" && grep -q '"only in B": \[' "$work/j.json"
ok "cases of one file are told" $?
for key in wilcoxon hodges_lehmann bootstrap power headline left_out labels mean; do grep -q "\"$key\"" \
    "$work/j.json" || echo "no $key"; done >"$work/none"
[ ! -s "$work/none" ]
ok "members of the JSON: $(cat "$work/none")" $?
$nephron compare "$work/a.json" "$work/b.json" --margin 0.1 --json "$work/j.json" --quiet &&
    grep -q '"noninferiority"' "$work/j.json" && grep -q '"tost"' "$work/j.json" &&
    grep -q '"equivalence_if_equal"' "$work/j.json"
ok "compare --margin" $?

# ---- missed structures -------------------------------------------------------------------------------------
summary HD95 c0:2 c1:3 c2:Infinity c3:4 c4:Infinity c5:2 >"$work/a.json"
summary HD95 c0:3 c1:4 c2:9 c3:5 c4:8 c5:3 >"$work/b.json"
$nephron compare "$work/a.json" "$work/b.json" --metric HD95 --margin 1 --json "$work/j.json" >"$work/out" &&
    grep -q '"infinite_a": 2' "$work/j.json" && grep -q '"statistic": 10' "$work/j.json"
ok "infinite HD95 rank as largest" $?
grep -q "^- HD95 is infinite .* in 2 pairs for A and 0 for B" "$work/out" &&
    ! grep -q "^- Shown" "$work/out" && ! grep -q "equivalent within" "$work/out"
ok "they are told, and no margin is tested" $?
refuses 2 "HD96" $nephron compare "$work/a.json" "$work/b.json" --metric HD96
refuses 1 "case c0 has no Dice of label 1" $nephron compare "$work/a.json" "$work/b.json"

# ---- values that are none of the metric --------------------------------------------------------------------
summary Dice c0:50 c1:40 c2:71 >"$work/percent.json"
summary Dice c0:0.5 c1:-0.1 c2:0.7 >"$work/below.json"
summary Dice c0:0.5 c1:'"0.4"' c2:0.7 >"$work/text.json"
refuses 1 "case c0: Dice of label 1 is 50, not from 0 to 1" $nephron compare "$work/c.json" \
    "$work/percent.json"
refuses 1 "case c1: Dice of label 1 is -0.1" $nephron compare "$work/below.json" "$work/c.json"
refuses 1 "case c1: Dice of label 1 is no number" $nephron compare "$work/c.json" "$work/text.json"
summary HD95 c0:-Infinity c1:2 >"$work/d.json"
refuses 1 "HD95 of label 1 is -inf, not from 0 on" $nephron compare "$work/d.json" "$work/d.json" \
    --metric HD95

# ---- seeds, patients, different cases ----------------------------------------------------------------------
for k in 1 2 3; do
    summary Dice c0:0.7$k c1:0.6$k c2:0.8$k c3:0.5$k c4:0.7$k c5:0.6 >"$work/a$k.json"
    summary Dice c0:0.6$k c1:0.6 c2:0.78 c3:0.5$k c4:0.6$k c5:0.5$k >"$work/b$k.json"
done
# Fewer cases than a statement needs: it is not made, and said why.
$nephron compare "$work/a1.json,$work/a2.json,$work/a3.json" "$work/b1.json,$work/b2.json,$work/b3.json" \
    --margin 0.05 --json "$work/j.json" >"$work/out" &&
    grep -q "^- Too few to say what could have been shown: 6 cases" "$work/out" &&
    ! grep -q "within 0.05\|is found 80 times\|how sure this is" "$work/out" &&
    grep -q '"detectable_difference": NaN' "$work/j.json" && grep -q '"equivalent": false' "$work/j.json" &&
    ! grep -q "nan\|not estimable" "$work/out"
ok "six cases have intervals, and no power or margin" $?
summary Dice c0:0.7 c1:0.6 c2:0.8 >"$work/three.json"
summary Dice c0:0.6 c1:0.7 c2:0.7 >"$work/other.json"
for more in "--margin 0.5" --unpaired; do
    $nephron compare "$work/three.json" "$work/other.json" $more >"$work/out" &&
        grep -q "^- Too few to say what could have been shown: [36] cases" "$work/out" &&
        ! grep -q "nan\|equivalent within\|worse than B\|80 times" "$work/out"
    ok "three cases against three $more" $?
done
$nephron compare "$work/three.json" "$work/other.json" >"$work/out" &&
    grep -q "^foreground mean .*not estimable .*not estimable" "$work/out" &&
    grep -q "^- Too few to say how sure this is: 3 cases" "$work/out"
ok "three cases have no interval" $?
for arm in a b; do
    for k in 1 2 3; do
        summary Dice $(awk -v k=$k -v arm=$arm 'BEGIN { for (i = 0; i < 20; i++)
            printf "c%d:%.3f ", i,
                0.5 + i * 7 % 11 / 40 + (arm == "a") * i * 3 % 5 / 60 + k * (i % 3) / 100 }') \
            >"$work/$arm$k.20.json"
    done
done
$nephron compare "$work/a1.20.json,$work/a2.20.json,$work/a3.20.json" \
    "$work/b1.20.json,$work/b2.20.json,$work/b3.20.json" \
    --margin 0.05 --json "$work/j.json" >"$work/out" && ! grep -q "Too few" "$work/out" &&
    grep -q '"seeds_margin"' "$work/j.json" &&
    grep -q "^- Of the two ways of training, within 0.05" "$work/out" &&
    grep -q "Patients and seeds as random" "$work/out" && grep -q '"seeds_mixed_model"' "$work/j.json" &&
    grep -q '"seeds_obuchowski_rockette"' "$work/j.json" && grep -q '"seeds_bootstrap"' "$work/j.json" &&
    grep -q '"seeds_p_stricter"' "$work/j.json" && grep -q '"equivalent_by_both"' "$work/j.json" &&
    grep -q "crossed bootstrap, p" "$work/out"
ok "compare of three seeds" $?
refuses 2 "seed k of both belongs together" $nephron compare "$work/a1.json,$work/a2.json" "$work/b1.json"
printf 'case,patient\nc0,p\nc1,p\nc2,q\nc3,q\nc4,r\nc5,s\n' >"$work/patients.csv"
$nephron compare "$work/a1.json" "$work/b1.json" --patients "$work/patients.csv" --json "$work/j.json" \
    >"$work/out" && grep -q '"patients": 4' "$work/j.json" && grep -q '"a": 0.657[45]' "$work/j.json" &&
    grep -q '6 paired cases of 4 patients$' "$work/out"
ok "compare --patients: means are of patients' means" $?
sed 's/^c3.*//' "$work/patients.csv" >"$work/few.csv"
refuses 1 "no patient for case c3" $nephron compare "$work/a1.json" "$work/b1.json" --patients "$work/few.csv"
sed 's/,q/,NA/' "$work/patients.csv" >"$work/few.csv"
refuses 1 "no patient for case c2" $nephron compare "$work/a1.json" "$work/b1.json" --patients "$work/few.csv"
refuses 1 "b1.json: is given twice" $nephron compare "$work/a1.json,$work/a2.json" \
    "$work/b1.json,$work/../$(basename "$work")/b1.json"
refuses 2 "--seed is of the bootstrap of pairs" $nephron compare "$work/a1.json" "$work/b1.json" --unpaired \
    --seed 2
$nephron compare "$work/a1.json" "$work/b1.json" --unpaired --json "$work/j.json" |
    grep -q "Mann-Whitney, exact" && grep -q '"mann_whitney"' "$work/j.json" &&
    grep -q '"detectable_difference"' "$work/j.json"
ok "compare --unpaired" $?
refuses 2 "--margin is of pairs, --unpaired compares the ranks" $nephron compare "$work/a1.json" \
    "$work/b1.json" --unpaired --margin 0.1
# Of six pairs the widest interval of the shift has a level of 0.969.
$nephron compare "$work/a1.json" "$work/b1.json" --level 0.9 | grep -q "^label 1 .*[0-9] to [0-9-].* to " &&
    $nephron compare "$work/a1.json" "$work/b1.json" --level 0.99 | grep -q "^label 1 .* not estimable$"
ok "compare: no interval of the shift where its level is not reached" $?

# What counts is patients: cases that stand three times under their patient say no more than once.
eight() { # times, 1 or 3 -> seeds of both arms, with two labels, and the patients
    for arm in a b; do
        for k in 1 2 3; do
            awk -v k=$k -v arm=$arm -v times="$1" 'BEGIN { printf "{\"metric_per_case\": ["
                for (i = 0; i < 8 * times; i++) { p = int(i / times)
                    v = 0.5 + p * 7 % 11 / 40; w = 0.4 + p * 5 % 7 / 30
                    if (arm == "a") v += 0.01 + p * 3 % 5 / 60 + k * k * (p % 3 + 1) / 300
                    if (arm == "a") w += (p * 7 % 5 - 1) / 60
                    printf "%s{\"metrics\": {\"1\": {\"Dice\": %.4f}, \"2\": {\"Dice\": %.4f}}, ",
                        i ? ", " : "", v, w
                    printf "\"prediction_file\": \"/x/c%d.nii\", \"reference_file\": \"/y/c%d.nii\"}", i, i }
                print "]}" }' >"$work/$arm$k.$1.json"
        done
    done
    awk -v times="$1" 'BEGIN { print "case,patient"
        for (i = 0; i < 8 * times; i++) print "c" i ",P" int(i / times) }' >"$work/patients$1.csv"
}
all_seeds() { echo "$work/${1}1.$2.json,$work/${1}2.$2.json,$work/${1}3.$2.json"; }
for n in 1 3; do
    eight $n
    $nephron compare "$(all_seeds a $n)" "$(all_seeds b $n)" --patients "$work/patients$n.csv" --margin 0.5 \
        --json "$work/j$n.json" >"$work/out$n"
    ok "compare of eight patients, $n cases each" $?
    grep '"p_holm"\|"p_stricter"' "$work/j$n.json" >"$work/holm$n"
    for key in seeds_mixed_model seeds_obuchowski_rockette seeds_bootstrap; do
        sed -n "/\"$key\"/,/}/p" "$work/j$n.json"
    done >"$work/random$n"
    sed -n '/"hodges_lehmann"/,/}/p' "$work/j$n.json" | tr -d '[]' | tr ',' '\n' |
        grep '[0-9]' >"$work/shift$n"
done
[ "$(wc -l <"$work/shift1")" -eq 12 ] && paste -d: "$work/shift1" "$work/shift3" | awk -F: '
    { n = NF / 2; d = $n - $NF; if (d * d > 1e-16 * (1 + $n * $n)) { print; bad = 1 } } END { exit bad + 0 }'
ok "the shift and its interval count patients: $(paste "$work/shift1" "$work/shift3")" $?
[ "$(wc -l <"$work/holm1")" -eq 2 ] && cmp "$work/holm1" "$work/holm3"
ok "p after Holm counts patients: $(cat "$work/holm1" "$work/holm3" | tr -s ' \n' ' ')" $?
grep -q '"cases": 8' "$work/random1" && awk -F': ' 'NR == FNR { want[FNR] = $2; next }
    { d = $2 - want[FNR]; if (d * d > 1e-16 * (1 + $2 * $2)) { print; bad = 1 } } END { exit bad + 0 }' \
    "$work/random1" "$work/random3" >"$work/other"
ok "patients and seeds as random, of cases that stand three times: $(head -n 3 "$work/other")" $?
grep -q "could have been shown: 8 patients" "$work/out3" && ! grep -q "within 0.5" "$work/out3" &&
    ! grep -q '"seeds_margin"' "$work/j3.json"
ok "24 cases of eight patients: nothing within a margin, of the ways of training neither" $?
printf 'case,patient\nc0,p\nc1,p\nc2,p\nc3,q\nc4,q\nc5,q\n' >"$work/both.csv"
$nephron compare "$work/a1.json" "$work/b1.json" --patients "$work/both.csv" >"$work/out" &&
    grep -q "^foreground mean .*not estimable .*not estimable" "$work/out"
ok "six cases of two patients have no interval, of the shift neither" $?
summary Dice c0:0.7 >"$work/once1.json"
summary Dice c0:0.6 >"$work/once2.json"
$nephron compare "$work/once1.json,$work/once2.json" "$work/once2.json,$work/three.json" >"$work/out" &&
    grep -q "as random: not tested, since there is one case" "$work/out"
ok "one pair of several seeds" $?
# Cases that all differ alike say nothing of how differences scatter.
$nephron compare "$work/a1.20.json" "$work/a1.20.json" --margin 0.05 --json "$work/j.json" >"$work/out" &&
    grep -q "^- Within 0.05 nothing is claimed" "$work/out" && grep -q '"equivalent": false' "$work/j.json" &&
    ! grep -q "equivalent within" "$work/out"
ok "twenty cases against themselves are not shown to be equivalent" $?

# Many small gains and a few large losses: the ranks and the mean do not agree, and none is called better.
# Shown by the ranks (three losses of 30; SciPy's wilcoxon: W 87, p 0.0020), or not (five: W 140, p 0.0577).
for lost in 3 5; do
    for arm in a b; do
        summary Dice $(awk -v lost=$lost -v arm=$arm 'BEGIN { for (i = 0; i < 30; i++) printf "c%d:%.5f ", i,
            arm == "b" ? 0.8 + i * 7 % 30 / 1500 : i < lost ? 0.05 : 0.812 + i * 7 % 30 / 1500 + i / 1e4 }') \
            >"$work/odd_$arm.json"
    done
    $nephron compare "$work/odd_a.json" "$work/odd_b.json" --json "$work/j.json" >"$work/out" &&
        [ "$(grep -c "which is better\|which is worse" "$work/out")" -eq 0 ] &&
        grep -q "The two do not agree, and none of A and B is called better" "$work/j.json"
    ok "ranks against the mean, $lost losses: $(grep -A 1 "^In short" "$work/out" | tail -n 1)" $?
done
grep -q "^- Not shown: that A and B differ in Dice (Wilcoxon p = 0.0577" "$work/out"
ok "five losses of thirty" $?

# ---- tables of probabilities -------------------------------------------------------------------------------
table() { # shift
    awk -v shift="$1" \
        'BEGIN { print "case,label,probability"; for (i = 0; i < 40; i++) { l = i % 5 < 3;
            printf "p.%d,%d,%.6f\n", i, l,
            (0.15 + 0.2 * l + shift * ((i * 7) % 11) / 22 + ((i * 13) % 17) / 60) } }'
}
table 0.3 >"$work/a.csv"
table 0.8 >"$work/b.csv"
table 0.5 >"$work/a2.csv"
table 0.7 >"$work/b2.csv"
$nephron compare "$work/a.csv" "$work/b.csv" --margin 0.1 --json "$work/j.json" >"$work/out" &&
    grep -q '"delong"' "$work/j.json" && grep -q '"sensitivity"' "$work/j.json" &&
    [ "$(grep -c '"detectable_difference"' "$work/j.json")" -eq 4 ] &&
    grep -q "^- .*hown: that A is worse" "$work/out"
ok "compare of tables" $?
awk 'NR == 1 { print "case,patient" } NR > 1 { split($1, v, ","); split(v[1], n, ".");
    print v[1] ",P" int(n[2] / 3) }' "$work/a.csv" >"$work/patients.csv"
$nephron compare "$work/a.csv,$work/a2.csv" "$work/b.csv,$work/b2.csv" --patients "$work/patients.csv" \
    --json "$work/j.json" >"$work/out" && grep -q '"delong_clustered"' "$work/j.json" &&
    grep -q '"seeds_obuchowski_rockette"' "$work/j.json"
ok "tables by patients and seeds" $?
grep -A 1 '"seeds_bootstrap"' "$work/j.json" | grep -q '"resamples": 2000'
ok "the areas' bootstrap says how many resamples it had" $?
refuses 2 "--resamples is of a bootstrap of cases" $nephron compare "$work/a.csv" "$work/b.csv" --patients \
    "$work/patients.csv" --resamples 500
# Six seeds that all say 0.5 say 0.5, and are positive from 0.5 on as each of them is.
for k in 1 2 3 4 5 6; do
    sed '1!s/,[0-9.]*$/,0.5/' "$work/a.csv" | tee "$work/half_a$k.csv" >"$work/half_b$k.csv"
done
half() { seq -s, -f "$work/half_$1%g.csv" 6; }
$nephron compare "$(half a)" "$(half b)" >"$work/out" && grep -q "^sensitivity  1.0000 .* 1.0000 " "$work/out"
ok "six seeds at the threshold: $(grep "^sensitivity" "$work/out")" $?
# The two columns of scikit-learn's predict_proba; what is called probability goes before them.
awk -F, 'NR == 1 { print "case,label,probability_0,probability_1" }
    NR > 1 { printf "%s,%s,%.6f,%s\n", $1, $2, 1 - $3, $3 }' "$work/a.csv" >"$work/columns.csv"
$nephron evaluate "$work/a.csv" "$work/columns.csv" --json "$work/j2.json" --quiet &&
    $nephron evaluate "$work/a.csv" "$work/a.csv" --json "$work/j1.json" --quiet &&
    cmp "$work/j1.json" "$work/j2.json"
ok "probability_0 and probability_1 of two classes" $?
$nephron compare "$work/a.csv" "$work/b.csv" --unpaired --json "$work/j.json" >/dev/null &&
    grep -q '"delong_unpaired"' "$work/j.json"
ok "tables --unpaired" $?
refuses 2 "--margin is of pairs" $nephron compare "$work/a.csv" "$work/b.csv" --unpaired --margin 0.1
refuses 2 "--level is for several files" $nephron compare "$work/a.csv" "$work/b.csv" --level 0.9
# Of two cases an area is a number, and nothing says how sure it is.
sed -n '1p;2p;5p' "$work/a.csv" >"$work/two.csv"
sed -n '1p;2p;5p' "$work/b.csv" >"$work/two_b.csv"
for more in "--margin 0.2" --unpaired; do
    $nephron compare "$work/two.csv" "$work/two_b.csv" --json "$work/j.json" $more \
        >"$work/out" &&
        grep -q "95 % interval not estimable, p undefined" "$work/out" &&
        grep -q "^- Too few to say how sure this is: 1 case of one class" "$work/out" &&
        grep -q '"p": NaN' "$work/j.json" && ! grep -q "nan\|equivalent within" "$work/out"
    ok "areas of two cases $more" $?
done
$nephron evaluate "$work/two.csv" "$work/two.csv" --json "$work/j.json" >"$work/out" &&
    grep -q "^AUC .*(not estimable, DeLong on the logit scale; not estimable, BCa" "$work/out" &&
    grep -q "too few to say how sure it is: 1 of one class, where 5 of each" "$work/out" &&
    ! grep -q "nan" "$work/out"
ok "evaluate: the area of two cases" $?
# Perfect separation: no interval of one point, no p of 0.
awk 'NR == 1 || 1 { n = split($0, v, ","); if (NR > 1) v[3] = v[2] ? 0.9 : 0.1;
    print v[1] "," v[2] "," v[3] }' "$work/a.csv" >"$work/perfect.csv"
sed '1!s/,[0-9.]*$/,0.5/' "$work/a.csv" >"$work/constant.csv"
$nephron compare "$work/perfect.csv" "$work/constant.csv" --json "$work/j.json" >"$work/out" &&
    ! grep -q '"p": 0,\|"p": 0$\|\[1, 1\]\|1.0000 to 1.0000' "$work/j.json" "$work/out"
ok "perfect against constant: no p of 0 and no interval of a point" $?

# Two perfect ones: the error of the difference is 0, and shows no equivalence, of several seeds neither.
for k in 1 2 3 4; do
    awk -v k=$k 'BEGIN { print "case,label,probability"; for (i = 0; i < 21; i++)
        printf "c%d,%d,%.3f\n", i, i % 2, 0.05 * k + 0.6 * (i % 2) + i * k % 7 / 100 }' >"$work/sure$k.csv"
done
for more in "" 1; do
    $nephron compare "$work/sure1.csv${more:+,$work/sure2.csv}" "$work/sure3.csv${more:+,$work/sure4.csv}" \
        --margin 0.05 --json "$work/j.json" >"$work/out" &&
        grep -q "^- Within 0.05 nothing is claimed, neither that A and B are equivalent" "$work/out" &&
        grep -q '"equivalent": false' "$work/j.json" && ! grep -q '"equivalent[^"]*": true' "$work/j.json" &&
        ! grep -q "^- Shown\|is shown\|0.0000 to 0.0000\|[^0-9]0 to 0[^.]" "$work/out"
    ok "two perfect tables are not shown to be equivalent ${more:+with several seeds}" $?
done
grep -q "^- Of the two ways of training nothing is claimed within 0.05" "$work/out"
ok "two ways of training whose areas are all 1" $?

awk 'BEGIN { print "case,label,probability_0,probability_1,probability_2"; for (i = 0; i < 30; i++) {
    l = i % 3; a = 1 + (l == 0) + (i * 7 % 5) / 3; b = 1 + (l == 1) + (i * 11 % 7) / 3;
    c = 1 + (l == 2) + (i * 5 % 11) / 6; t = a + b + c;
    printf "q%d,%d,%.6f,%.6f,%.6f\n", i, l, a / t, b / t, c / t } }' >"$work/m.csv"
awk 'BEGIN { print "case,label,probability_0,probability_1,probability_2"; for (i = 0; i < 30; i++) {
    l = i % 3; a = 1 + (l == 0) + (i * 3 % 7) / 3; b = 1 + (l == 1) / 2 + (i * 5 % 7) / 3;
    c = 1 + (l == 2) + (i * 4 % 9) / 3; t = a + b + c;
    printf "q%d,%d,%.6f,%.6f,%.6f\n", i, l, a / t, b / t, c / t } }' >"$work/n.csv"
$nephron compare "$work/m.csv" "$work/n.csv" --json "$work/j.json" >/dev/null &&
    grep -q '"one_versus_rest"' "$work/j.json" && grep -q '"macro_auc"' "$work/j.json" &&
    ! grep -q '"threshold"' "$work/j.json"
ok "three classes" $?
# Two that are perfect and not the same: the interval of the difference is no point, as of two classes.
for f in m n; do
    awk -F, -v OFS=, -v high=$([ $f = m ] && echo 0.8 || echo 0.6) 'NR > 1 { for (k = 0; k < 3; k++)
        $(3 + k) = k == $2 ? high : (1 - high) / 2 } { print }' "$work/$f.csv" >"$work/sure_$f.csv"
done
$nephron compare "$work/sure_m.csv" "$work/sure_n.csv" >"$work/out" &&
    grep -q "^macro AUC .* A - B  0.0000, 95 % interval -0.1[0-9]* to 0.1[0-9]*, .*p = 1.000" "$work/out"
ok "two perfect tables of three classes: $(grep "^macro AUC .*A - B" "$work/out")" $?
refuses 1 "has 3 classes, .*a.csv 2" $nephron compare "$work/m.csv" "$work/a.csv"
refuses 1 "has 3 classes; --margin is for two" $nephron compare "$work/m.csv" "$work/n.csv" --margin 0.1
# Every case four times under one patient is no more than once; four patients of it are.
for f in m n a b; do
    awk -v OFS=, 'NR == 1 { print; next } { for (k = 0; k < 4; k++) { sub(/^[^,]*/, "&"); i = index($0, ",");
        print substr($0, 1, i - 1) "_" k substr($0, i) } }' "$work/$f.csv" >"$work/four_$f.csv"
done
awk -F, -v OFS=, 'FNR == 1 { next } { p = $1; sub(/_[0-9]$/, "", p); print $1, p }' "$work/four_m.csv" \
    "$work/four_a.csv" | sed '1i case,patient' >"$work/fours.csv"
awk -F, 'FNR == 1 { next } { print $1 "," $1 }' "$work/m.csv" "$work/a.csv" | sed '1i case,patient' \
    >"$work/ones.csv"
p_of() { # file of --json, first object that has a p
    awk -v key="\"$2\":" 'index($0, key) { on = 1 }
        on && sub(/^ *"p": /, "") { sub(/,$/, ""); print; exit }' "$1"
}
for pair in "m n macro_auc" "a b mcnemar" "a b delong_clustered"; do
    set -- $pair
    $nephron compare "$work/$1.csv" "$work/$2.csv" --patients "$work/ones.csv" --json "$work/j1.json" --quiet
    $nephron compare "$work/four_$1.csv" "$work/four_$2.csv" --patients "$work/fours.csv" --json \
        "$work/j4.json" --quiet
    $nephron compare "$work/four_$1.csv" "$work/four_$2.csv" --json "$work/j.json" --quiet
    one=$(p_of "$work/j1.json" $3) four=$(p_of "$work/j4.json" $3)
    cases=$(p_of "$work/j.json" ${3%_clustered})
    awk -v a="$one" -v b="$four" -v c="$cases" \
        'BEGIN { exit !(a > 0 && a < 1 && (a - b) ^ 2 < 1e-16 && c > 0 && (a - c) ^ 2 > 1e-8) }'
    ok "$3: p $one of cases, $four of four of each patient, $cases of as many patients" $?
done
$nephron evaluate "$work/four_m.csv" "$work/four_m.csv" --patients "$work/fours.csv" | grep -q "by patients"
ok "evaluate: the macro area by patients" $?
# Ten cases of each of four patients are four patients: nothing says how sure it is, a perfect area neither.
awk -F, 'NR == 1 { print "case,patient" } NR > 1 { print $1 ",P" NR % 4 }' "$work/a.csv" >"$work/ten.csv"
for b in b perfect; do
    $nephron compare "$work/$b.csv" "$work/a.csv" --patients "$work/ten.csv" --margin 0.1 >"$work/out" &&
        grep -q "^40 paired cases of 4 patients$" "$work/out" && ! grep -q "^[AB]  .* to " "$work/out" &&
        [ "$(grep -c "^[AB]  .*not estimable" "$work/out")" -eq 2 ] &&
        grep -q "could have been shown: 4 patients" "$work/out" && ! grep -q "by less than" "$work/out"
    ok "ten cases of each of four patients: $b" $?
done
sed '3s/,[^,]*$/,0.9/' "$work/m.csv" >"$work/sum.csv"
refuses 1 "sum.csv: line 3: probabilities of case q1 have the sum" $nephron evaluate "$work/m.csv" \
    "$work/sum.csv"

# ---- evaluate of maps --------------------------------------------------------------------------------------

# Of three cases nothing is said of how volumes agree, and why; of seven against themselves they agree.
agree() { # cases, what every label's line says
    mkdir "$work/maps$1"
    for map in $(ls tests/data/hippocampus/labelsTr | head -n "$1"); do
        cp "tests/data/hippocampus/labelsTr/$map" "$work/maps$1"
    done
    $nephron evaluate "$work/maps$1" "$work/maps$1" -o "$work/agree.json" >"$work/lines" &&
        tr '\n' ' ' <"$work/lines" | sed 's/volume of/\
&/g' >"$work/out" && # a line is a paragraph
        [ "$(grep -c 'volume of' "$work/out")" -eq 2 ] &&
        [ "$(grep 'volume of' "$work/out" | grep -c "$2")" -eq 2 ] && ! grep -q nan "$work/out"
    ok "evaluate: agreement of the volumes of $1 cases: $(grep 'volume of' "$work/out" | head -n 1)" $?
}
agree 3 "agreement not estimable, ICC(2,1) not estimable: fewer than 6 cases"
agree 7 "agreement 0.000 to 0.000, ICC(2,1) 1.000"
map=$(ls "$work/maps3" | head -n 1)
gzip -dc "$work/maps3/$map" >"$work/maps3/${map%.gz}"
refuses 1 "stands twice" $nephron evaluate "$work/maps3" "$work/maps3"

# ---- evaluate of tables ------------------------------------------------------------------------------------
sed 's/^p/v/' "$work/b.csv" >"$work/validation.csv"
$nephron evaluate "$work/a.csv" "$work/a.csv" --validation "$work/validation.csv" --patients \
    "$work/patients.csv" --prior-from 0.5 --prior-to 0.6 --json "$work/j.json" >"$work/out" &&
    grep -q '"recalibrated"' "$work/j.json" && grep -q '"prior_shifted"' "$work/j.json" &&
    grep -q '"name": "Youden"' "$work/j.json" && grep -q '"auc_ci_by_patients"' "$work/j.json" &&
    grep -q "^recalibrated on validation" "$work/out" &&
    grep -q "intervals: Wilson, which count cases; Youden" "$work/out"
ok "evaluate: recalibration, operating points, prior, patients" $?
# Names say nothing of calibration: one probability that is right, with the classes apart by name and not.
for name in "i % 2" 0; do
    awk "BEGIN { print \"case,label,probability\"; for (i = 0; i < 40; i++)
        printf \"%d_%02d,%d,0.5\n\", $name, i, i % 2 }" >"$work/named.csv"
    $nephron evaluate "$work/named.csv" "$work/named.csv" | grep -q "^as given .* 1.000$"
    ok "Hosmer-Lemeshow of equal probabilities, named by $name" $?
done
refuses 1 "case p.0 is in .* too" $nephron evaluate "$work/a.csv" "$work/a.csv" --validation "$work/b.csv"
refuses 2 "go together" $nephron evaluate "$work/a.csv" "$work/a.csv" --prior-to 0.5
refuses 2 "--patients is for two tables" $nephron evaluate tests/data/hippocampus/labelsTr \
    tests/data/hippocampus/labelsTr --patients "$work/patients.csv"
refuses 2 "--tolerance is for label maps" $nephron evaluate "$work/a.csv" "$work/a.csv" --tolerance 2
refuses 2 "--metric is for label maps" $nephron compare "$work/a.csv" "$work/b.csv" --metric IoU
refuses 1 "has 3 classes; --validation is for two" $nephron evaluate "$work/m.csv" "$work/m.csv" \
    --validation "$work/validation.csv"
refuses 1 "has 3 classes; --threshold is for two" $nephron evaluate "$work/m.csv" "$work/m.csv" \
    --threshold 0.3
grep -v '^p.7,' "$work/a.csv" >"$work/fewer.csv"
refuses 1 "1 of 40 cases missing: p.7" $nephron evaluate "$work/a.csv" "$work/fewer.csv"
$nephron evaluate "$work/fewer.csv" "$work/a.csv" | grep -q "^1 cases of .* are left out"
ok "evaluate: predictions without a reference are told" $?
$nephron evaluate "$work/m.csv" "$work/m.csv" --json "$work/j.json" | grep -q "^macro AUC" &&
    grep -q '"auc_one_versus_rest"' "$work/j.json"
ok "evaluate of three classes" $?
$nephron evaluate "$work/perfect.csv" "$work/perfect.csv" | grep "^AUC" | grep -vq "(1.0000 to 1.0000"
ok "evaluate of a perfect separation: no interval of a point" $?

# ---- evaluate of label maps --------------------------------------------------------------------------------
data=tests/data/hippocampus/labelsTr
mkdir "$work/ref" "$work/pred"
for id in 001 003 004; do cp $data/hippocampus_$id.nii.gz "$work/ref/1.2.$id.nii.gz"; done
cp $data/hippocampus_003.nii.gz "$work/pred/1.2.003.nii.gz"
cp $data/hippocampus_004.nii.gz "$work/pred/1.2.004.nii.gz"
cp $data/hippocampus_006.nii.gz "$work/pred/1.2.006.nii.gz"
refuses 1 "1 of 3 predictions missing: 1.2.001" $nephron evaluate "$work/ref" "$work/pred"
$nephron evaluate "$work/ref" "$work/pred" --chill --json "$work/j.json" >"$work/out" &&
    grep -q "^left out, without a reference: 1 (1.2.006.nii.gz)" "$work/out" &&
    grep -q "^left out, not predicted: 1" "$work/out" && grep -q '"case": "1.2.004"' "$work/j.json"
ok "evaluate --chill tells both kinds of missing files" $?
$nephron compare "$work/j.json" "$work/j.json" --metric boundary_IoU >"$work/out" &&
    grep -q "^boundary_IoU (larger is better), 2 paired cases" "$work/out"
ok "compare --metric boundary_IoU" $?
$nephron evaluate "$work/pred/1.2.003.nii.gz" "$work/pred/1.2.003.nii.gz" --boundary-mm 5 --json \
    "$work/j.json" --quiet && grep -q '"boundary_mm": 5' "$work/j.json"
ok "evaluate --boundary-mm" $?

# ---- labels have their names; other names and other labels are told ----------------------------------------
named() { # names of the labels, labels of the second case -> a summary.json as evaluate writes it
    printf '{"labels": %s, "metric_per_case": [' "$1"
    printf '{"case": "x", "metrics": {"1": {"Dice": 0.5}, "2": {"Dice": 0.6}, "(1, 2)": {"Dice": 0.7}}}, '
    printf '{"case": "y", "metrics": {"1": {"Dice": 0.4}, "(1, 2)": {"Dice": 0.6}%s}}]}\n' "$2"
}
named '{"head": 1, "tail": 2, "whole": "(1, 2)"}' ', "2": {"Dice": 0.1}' >"$work/a.json"
named '{"head": 1, "body": 2, "whole": "(1, 2)"}' ', "2": {"Dice": 0.1}' >"$work/b.json"
named '{"head": 1, "tail": 2, "whole": "(1, 2)"}' '' >"$work/c.json"
$nephron compare "$work/a.json" "$work/b.json" --json "$work/j.json" >"$work/out" 2>"$work/err"
grep -q '^head  ' "$work/out" && grep -q '^whole  ' "$work/out" && grep -q '"name": "tail"' "$work/j.json"
ok "names of labels and regions" $?
holds "another name" "label 2 is 'tail' in $work/a.json and 'body' in $work/b.json" "$work/err"
sed 's/"tail": 2/"tail": 3/; s/"2": {"Dice": 0.[16]}/"3": {"Dice": NaN}/g' "$work/a.json" >"$work/d.json"
$nephron compare "$work/d.json" "$work/d.json" >"$work/out" 2>"$work/err"
holds "a label without a value" "tail: no case has a Dice in both" "$work/err"
$nephron compare "$work/a.json" "$work/c.json" --quiet 2>"$work/err"
holds "a label that is not everywhere" "label 2 of $work/a.json is not in every case" "$work/err"

finish

/* drift.c - exercise 1 of the chapter on drift: two sites with the losses (w - 0)^2 and 9 (w - 1)^2. The sum
 * of both is least at 0.9. FedAvg and SCAFFOLD with 1 and with 50 local steps, 400 rounds, learning rate
 * 0.01. */
#include <math.h>
#include <stdio.h>

static const double curve[2] = {1, 9}, target[2] = {0, 1};

static double gradient(int site, double w) { return 2 * curve[site] * (w - target[site]); }

/* scaffold 0: control variates stay zero, which is FedAvg. */
static double federate(int steps, int scaffold)
{
    const double lr = 0.01;
    double w = 0.5, c = 0, control[2] = {0, 0};
    for (int round = 0; round < 400; round++) {
        double sum = 0, change = 0;
        for (int k = 0; k < 2; k++) {
            double v = w;
            for (int s = 0; s < steps; s++) v -= lr * (gradient(k, v) + c - control[k]);
            const double next = scaffold ? control[k] - c + (w - v) / (steps * lr) : 0;
            change += next - control[k];
            control[k] = next;
            sum += v;
        }
        w = sum / 2;
        c += change / 2;
    }
    return w;
}

int main(void)
{
    const double one = federate(1, 0), many = federate(50, 0), scaffold = federate(50, 1);
    printf("FedAvg, 1 step: %.3f\nFedAvg, 50 steps: %.3f\nSCAFFOLD, 50 steps: %.3f\n", one, many, scaffold);
    return !(fabs(one - 0.9) < 1e-3 && fabs(many - 0.611) < 1e-3 && fabs(scaffold - 0.9) < 1e-3);
}

/* schedule.h - learning rates over the course of a training; progress 0 to 1. */
#ifndef NN_SCHEDULE_H
#define NN_SCHEDULE_H

double schedule_poly(double lr, double progress, double power); /* lr * (1 - progress)^power; nnU-Net 0.9 */
double schedule_cosine(double lr, double progress, double warmup); /* warmup share, then half a cosine to 0 */

#endif

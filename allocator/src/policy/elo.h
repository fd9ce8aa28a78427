/*
 * Elo's ratings: how strong each of several players is, from who beat whom. Pure functions.
 *
 * A. E. Elo, "The Rating of Chessplayers, Past and Present", Arco 1978, chapters 1 and 8, with the
 * logistic curve that the chess federations use. The learner (learner.c) rates strategies with it.
 */
#ifndef HKM_POLICY_ELO_H
#define HKM_POLICY_ELO_H

#define HKM_ELO_START 1500.0

/* Score that a player of rating `own` may expect against one of rating `other`, from 0 to 1:
 * 1 / (1 + 10^((other - own) / 400)). */
double hkm_elo_expected(double own, double other);

/* K: the most that one match moves a rating. Newcomers move faster, until 8 matches. */
double hkm_elo_k(unsigned matches);

/* Rating after a match with this score (1 won, 0.5 drawn, 0 lost), given what was expected. */
double hkm_elo_updated(double rating, double expected, double score, double k);

#endif

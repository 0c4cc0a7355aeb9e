// Package stats holds the numbers behind verdicts: the log-linear histogram and
// the anytime-valid tests. It knows no noun of the product, no clock and no
// chance; every function is a pure function of counters.
//
// Evidence is an e-process, given as its natural logarithm: under the null
// hypothesis the chance that it ever reaches ln(1/alpha) is at most alpha, no
// matter how often one looks (Ville). Begin at ratio.go, the test for rates;
// linear.go is the machine under it, bernoulli.go, tworate.go, contrast.go and
// quantile.go are its siblings, histogram.go the buckets they count in.
//
//	counters ─▶ log-likelihood ratio per alternative ─▶ mixture over alternatives ─▶ mixture over start times ─▶ ln E
//
// Sums run in a fixed order and products are rounded before they are added, so
// that verdicts are the same on machines with and without fused multiply-add.
//
// Formulas: Lindon & Malek 2022 (ratio), Howard et al. 2021 (mixtures), Howard
// & Ramdas 2022 (quantiles), Waudby-Smith et al. 2024 (asymptotic), Turner et
// al. 2024 (two rates).
package stats

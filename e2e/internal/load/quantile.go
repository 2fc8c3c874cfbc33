package load

import (
	"math"
	"slices"
	"time"
)

// Quantiles returns the latencies that the given parts (0.99, say) of all lie at or below: the nearest rank, so each is one that was measured. They are exact, for all samples are
// kept. It is 0 where there are no samples, which it sorts.
func Quantiles(samples []time.Duration, parts ...float64) []time.Duration {
	slices.Sort(samples)
	found := make([]time.Duration, len(parts))
	if len(samples) == 0 {
		return found
	}
	for i, part := range parts {
		rank := int(math.Ceil(part * float64(len(samples))))
		found[i] = samples[min(max(rank, 1), len(samples))-1]
	}
	return found
}

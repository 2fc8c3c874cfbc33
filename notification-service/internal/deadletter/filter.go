package deadletter

import (
	"slices"
	"strings"
	"time"
)

// Filter says which letters are meant. What is not set excludes nothing.
type Filter struct {
	// Letters, Orders and Kinds each name what is meant; one of them must fit.
	Letters []string // as Letter.ID writes them
	Orders  []string
	Kinds   []Kind
	// Text must be part of the reason, in upper or lower case.
	Text string
	// Since is the earliest and Until the first time that is too late, of the record's becoming a dead letter.
	Since, Until time.Time
	// Topic, Partition and Offset are those of the origin.
	Topic     string
	Partition *int32
	Offset    *int64
	// OpenOnly leaves out what was sent through again.
	OpenOnly bool
}

// Match tells whether a letter is meant.
func (f Filter) Match(l Letter) bool {
	switch {
	case f.OpenOnly && !l.IsOpen(),
		len(f.Letters) > 0 && !slices.Contains(f.Letters, l.ID()),
		len(f.Orders) > 0 && !slices.Contains(f.Orders, l.OrderNumber),
		len(f.Kinds) > 0 && !slices.Contains(f.Kinds, l.Kind),
		!strings.Contains(strings.ToLower(l.Reason), strings.ToLower(f.Text)),
		!f.Since.IsZero() && l.Time.Before(f.Since),
		!f.Until.IsZero() && !l.Time.Before(f.Until),
		f.Topic != "" && f.Topic != l.Origin.Topic,
		f.Partition != nil && *f.Partition != l.Origin.Partition,
		f.Offset != nil && *f.Offset != l.Origin.Offset:
		return false
	}
	return true
}

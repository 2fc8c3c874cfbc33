package order

import (
	"sync/atomic"
	"time"
)

// Counts is what an operator watches. It is safe for concurrent use.
type Counts struct {
	placed, rejected, cancelled atomic.Int64
	abandoned, oldest, unread   atomic.Int64
}

func (c *Counts) add(status Status) {
	switch status {
	case Placed:
		c.placed.Add(1)
	case Rejected:
		c.rejected.Add(1)
	case Cancelled:
		c.cancelled.Add(1)
	case Pending: // no decision
	}
}

// Decided returns how many decisions of that status this process has written.
func (c *Counts) Decided(status Status) int64 {
	switch status {
	case Placed:
		return c.placed.Load()
	case Rejected:
		return c.rejected.Load()
	case Cancelled:
		return c.cancelled.Load()
	case Pending:
	}
	return 0
}

// Abandoned returns how many entries the last whole sweep found.
func (c *Counts) Abandoned() int64 { return c.abandoned.Load() }

// Oldest returns the age of the oldest entry that the last whole sweep found; 0 where it found none.
func (c *Counts) Oldest() time.Duration { return time.Duration(c.oldest.Load()) }

// Unread returns how many sweeps could not read the journal whole.
func (c *Counts) Unread() int64 { return c.unread.Load() }

// Counts returns the counts of the service and of its sweepers.
func (s *Service) Counts() *Counts { return s.counts }

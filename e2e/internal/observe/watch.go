package observe

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	watchEvery  = time.Second
	watchWithin = 5 * time.Second
	// lookBack is longer than any transaction takes, frozen or not.
	lookBack = 3 * time.Minute
)

// Watch looks into the inventory's database again and again, and notes by when a released reservation, or an adjustment, was there: the database itself knows only when it began.
type Watch struct {
	mu   sync.Mutex
	seen map[string]time.Duration
}

// NewWatch returns a watch that has seen nothing.
func NewWatch() *Watch { return &Watch{seen: make(map[string]time.Duration)} }

// Run watches until ctx ends. While the database is away it sees nothing, and what happened then later.
func (w *Watch) Run(ctx context.Context, url string, now func() time.Duration) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var conn *pgx.Conn
	for {
		if !w.look(ctx, &conn, url, now) && conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // the next look opens another
			conn = nil
		}
		select {
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close(context.WithoutCancel(ctx))
			}
			return
		case <-ticker.C:
		}
	}
}

func (w *Watch) look(ctx context.Context, conn **pgx.Conn, url string, now func() time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, watchWithin)
	defer cancel()
	if *conn == nil {
		opened, err := pgx.Connect(ctx, url)
		if err != nil {
			return false
		}
		*conn = opened
	}
	found, err := rows[struct{ ID string }](ctx, *conn,
		`SELECT id FROM reservations WHERE released_at > $1 UNION ALL SELECT id FROM adjustments WHERE created_at > $1`, time.Now().Add(-lookBack))
	if err != nil {
		return false
	}
	at := now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, row := range found {
		if _, known := w.seen[row.ID]; !known {
			w.seen[row.ID] = at
		}
	}
	return true
}

// Seen returns by when each was there.
func (w *Watch) Seen() map[string]time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}

// Package postgres keeps the inventory in PostgreSQL. Every change is one statement, so that no lock outlives a crash, a freeze or a slow network of this process.
package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/shared-kit/batch"
)

const (
	// maxConns suits a server of some cores that two replicas share: twice to four times its cores in all.
	maxConns = 16
	// callTimeout bounds a call with its repetitions and the wait for a connection. It ends before the 2 s that a request has, so that there is time left
	// to tell that the database is away.
	callTimeout = 1800 * time.Millisecond
	// connectTimeout bounds a new connection, which goes on behind the back of a call that has given up.
	connectTimeout = 2 * time.Second
	// attempts is how often a statement is sent that PostgreSQL asks to repeat.
	attempts = 3
)

// errAway is what a call ends with whose time is up because of the database, not because of the caller.
var errAway = fmt.Errorf("no answer within %s: %w", callTimeout, stock.ErrUnavailable)

// Repository is a stock.Repository in PostgreSQL.
type Repository struct {
	pool *pgxpool.Pool
	// plain and orm use the pool's connections.
	plain    *sql.DB
	orm      *gorm.DB
	reserves *batch.Batcher[*demand]
	migrated atomic.Bool
}

// Open returns the repository in the database at the URL. It does not connect yet: calls return stock.ErrUnavailable until Migrate has succeeded.
func Open(ctx context.Context, url string) (*Repository, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the database URL: %w", err)
	}
	config.MaxConns = maxConns
	config.MaxConnLifetime, config.MaxConnLifetimeJitter = 30*time.Minute, 5*time.Minute
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.ConnConfig.Tracer = newTracer()
	// The server gives up by itself when this process is frozen or cut off: without this its locks would outlive it.
	for name, limit := range map[string]time.Duration{
		"statement_timeout":                   callTimeout,
		"lock_timeout":                        callTimeout - 300*time.Millisecond,
		"idle_in_transaction_session_timeout": 2 * callTimeout,
	} {
		config.ConnConfig.RuntimeParams[name] = fmt.Sprint(limit.Milliseconds())
	}
	config.ConnConfig.RuntimeParams["application_name"] = "inventory-service"

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the connection pool: %w", err)
	}
	plain := stdlib.OpenDBFromPool(pool)
	orm, err := gorm.Open(gormpostgres.New(gormpostgres.Config{Conn: plain}), &gorm.Config{
		DisableAutomaticPing:   true,
		SkipDefaultTransaction: true,
		TranslateError:         true,
		Logger:                 logger.Discard, // errors are returned; gorm's own log would show values
	})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open gorm: %w", err)
	}
	r := &Repository{pool: pool, plain: plain, orm: orm}
	r.reserves = batch.New(reserveLimit, callTimeout, r.reserveMany)
	return r, nil
}

// Close waits for calls under way, at most until ctx ends, and closes all connections.
func (r *Repository) Close(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() {
		err := r.plain.Close()
		r.pool.Close()
		closed <- err
	}()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("close the database connections: %w", ctx.Err())
	}
}

// Check tells whether the database answers and has its tables.
func (r *Repository) Check(ctx context.Context) error {
	return r.call(ctx, "check the database", r.pool.Ping)
}

// call runs one call to the database within callTimeout, repeats it where PostgreSQL asks for that, and translates its error.
func (r *Repository) call(ctx context.Context, verb string, run func(ctx context.Context) error) error {
	if !r.migrated.Load() {
		return fmt.Errorf("%s: migrations are not applied yet: %w", verb, stock.ErrUnavailable)
	}
	bounded, cancel := context.WithTimeoutCause(withVerb(ctx, verb), callTimeout, errAway)
	defer cancel()
	err := run(bounded)
	for attempt := 1; attempt < attempts && isTransient(err); attempt++ {
		err = run(bounded)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // the caller's time is up, or it has gone
		return fmt.Errorf("%s: %w", verb, ctx.Err())
	case bounded.Err() != nil:
		return fmt.Errorf("%s: %w", verb, context.Cause(bounded))
	case isAway(err):
		return fmt.Errorf("%s: %w: %w", verb, stock.ErrUnavailable, err)
	default:
		return fmt.Errorf("%s: %w", verb, err)
	}
}

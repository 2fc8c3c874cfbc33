package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrateAgainAfter is the pause after a migration that failed, most likely because the database is away.
const migrateAgainAfter = time.Second

// KeepMigrating tries Migrate until it succeeds or ctx ends.
func (r *Repository) KeepMigrating(ctx context.Context, log *slog.Logger) error {
	again := time.NewTicker(migrateAgainAfter)
	defer again.Stop()
	for {
		err := r.Migrate(ctx)
		if err == nil {
			log.InfoContext(ctx, "the database is migrated")
			return nil
		}
		log.WarnContext(ctx, "the database cannot be migrated yet; the next try follows", "error", err)
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Migrate applies the migrations that the database does not have yet, under a lock, so that several replicas may start at once. Then the repository serves.
func (r *Repository) Migrate(ctx context.Context) error {
	// A connection of its own: the lock belongs to a session, and a migration may take longer than the pool lets a statement take.
	config := r.pool.Config().ConnConfig
	delete(config.RuntimeParams, "statement_timeout")
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()

	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 30))
	if err != nil {
		return fmt.Errorf("make the migration lock: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("find the migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("apply the migrations: %w", err)
	}
	r.migrated.Store(true)
	return nil
}

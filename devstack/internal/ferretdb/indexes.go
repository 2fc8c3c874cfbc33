package ferretdb

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// metadataTable is where FerretDB keeps, in every one of its databases (a
// PostgreSQL schema each), which table holds which collection.
const metadataTable = "_ferretdb_database_metadata"

// lookEvery is the pause between two looks for new collections.
const lookEvery = 500 * time.Millisecond

// indexedFields are the fields that the services look documents up by, for each
// collection. FerretDB turns {field: value} into _jsonb->'field' @> value, which
// none of the indexes that it makes itself can answer: without these it reads
// the whole collection, 26 ms at 100,000 orders where 1 ms is enough.
func indexedFields() map[string][]string {
	return map[string][]string{
		"orders":   {"_id", "userId"},
		"inflight": {"_id"},
	}
}

// maintainIndexes adds the missing indexes to each collection soon after it
// appears, and drops what only costs. PostgreSQL may come and go meanwhile.
func maintainIndexes(ctx context.Context, url string, logger *slog.Logger) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	indexer := &indexer{url: url, logger: logger, done: map[table]bool{}}
	defer indexer.disconnect()
	for {
		if err := indexer.look(ctx); err != nil && ctx.Err() == nil {
			logger.Debug("look for new collections", "error", err)
			indexer.disconnect()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// table is one life of a collection: made again, it has the same name and
// another oid.
type table struct {
	schema, name, collection string
	oid                      uint32
}

type indexer struct {
	url    string
	logger *slog.Logger
	conn   *pgx.Conn
	done   map[table]bool
}

func (i *indexer) disconnect() {
	if i.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = i.conn.Close(ctx)
		i.conn = nil
	}
}

func (i *indexer) look(ctx context.Context) error {
	if i.conn == nil {
		conn, err := pgx.Connect(ctx, i.url)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		i.conn = conn
	}
	tables, err := i.tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !i.done[t] {
			if err := i.addIndexes(ctx, t); err != nil {
				return err
			}
		}
		if err := i.dropUseless(ctx, t); err != nil {
			return err
		}
		if err := i.dropStatistics(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// tables lists the tables of collections that should have indexes.
func (i *indexer) tables(ctx context.Context) ([]table, error) {
	rows, err := i.conn.Query(ctx, "SELECT schemaname FROM pg_tables WHERE tablename = $1", metadataTable)
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	var found []table
	for _, schema := range schemas {
		rows, err := i.conn.Query(ctx, `SELECT m._jsonb->>'_id', c.relname::text, c.oid FROM `+pgx.Identifier{schema, metadataTable}.Sanitize()+` m
			JOIN pg_class c ON c.relname = m._jsonb->>'table' AND c.relnamespace = $1::text::regnamespace`, pgx.Identifier{schema}.Sanitize())
		if err != nil {
			return nil, fmt.Errorf("list collections: %w", err)
		}
		t := table{schema: schema}
		_, err = pgx.ForEachRow(rows, []any{&t.collection, &t.name, &t.oid}, func() error {
			if indexedFields()[t.collection] != nil {
				found = append(found, t)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list collections: %w", err)
		}
	}
	return found, nil
}

// addIndexes is quick for a new collection; one that already holds documents is
// locked against writes for as long as its index takes to build.
func (i *indexer) addIndexes(ctx context.Context, t table) error {
	for _, field := range indexedFields()[t.collection] {
		// pgx cannot pass parameters to DDL; the field is one of ours.
		statement := fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s USING gin ((_jsonb->'%s') jsonb_path_ops)",
			pgx.Identifier{"devstack_" + t.name + "_" + field}.Sanitize(), pgx.Identifier{t.schema, t.name}.Sanitize(), field)
		if _, err := i.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("index %s.%s: %w", t.collection, field, err)
		}
	}
	i.done[t] = true
	i.logger.Info("indexed collection", "database", t.schema, "collection", t.collection)
	return nil
}

// dropUseless drops the indexes that clients have made: FerretDB makes them in a
// form that none of its queries can use, and every insert pays for them. Those
// that keep ids unique stay. FerretDB goes on listing the others, so that
// clients do not make them again.
func (i *indexer) dropUseless(ctx context.Context, t table) error {
	rows, err := i.conn.Query(ctx, `SELECT relname::text FROM pg_index i JOIN pg_class ON oid = indexrelid JOIN pg_am am ON am.oid = relam
		WHERE indrelid = $1 AND NOT indisunique AND amname = 'btree'`, t.oid)
	if err != nil {
		return fmt.Errorf("look for indexes of %s: %w", t.collection, err)
	}
	useless, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for indexes of %s: %w", t.collection, err)
	}
	for _, index := range useless {
		if _, err := i.conn.Exec(ctx, "DROP INDEX "+pgx.Identifier{t.schema, index}.Sanitize()); err != nil {
			return fmt.Errorf("drop an index of %s: %w", t.collection, err)
		}
	}
	return nil
}

// dropStatistics keeps PostgreSQL from gathering statistics of the documents and
// of what is indexed of them. Sorting documents for these took a quarter of its
// time under load, and comparing with them most of the time of planning a query;
// they make no plan better, for every filter has the same form. Indexes come at
// any time, so it looks for those that still have statistics.
func (i *indexer) dropStatistics(ctx context.Context, t table) error {
	rows, err := i.conn.Query(ctx, `SELECT CASE relkind WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END, relname::text, CASE relkind WHEN 'i' THEN attnum::text ELSE quote_ident(attname) END
		FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
		WHERE (attrelid = $1 AND attname = '_jsonb' OR attrelid IN (SELECT indexrelid FROM pg_index WHERE indrelid = $1)) AND attstattarget IS DISTINCT FROM 0`, t.oid)
	if err != nil {
		return fmt.Errorf("look for statistics of %s: %w", t.collection, err)
	}
	var statements []string
	var kind, name, column string
	_, err = pgx.ForEachRow(rows, []any{&kind, &name, &column}, func() error {
		statements = append(statements, fmt.Sprintf("ALTER %s %s ALTER COLUMN %s SET STATISTICS 0", kind, pgx.Identifier{t.schema, name}.Sanitize(), column))
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for statistics of %s: %w", t.collection, err)
	}
	for _, statement := range statements {
		if _, err := i.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("drop statistics of %s: %w", t.collection, err)
		}
	}
	return nil
}

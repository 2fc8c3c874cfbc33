package postgres

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// PostgreSQL error codes and classes, from appendix A of its manual.
const (
	codeSerializationFailure = "40001"
	codeDeadlockDetected     = "40P01"
	codeLockNotAvailable     = "55P03"
	codeReadOnlyTransaction  = "25006" // a primary that has become a standby

	classConnection            = "08"
	classInsufficientResources = "53"
	classOperatorIntervention  = "57" // shutting down, starting up, or a statement that took too long
	classSystem                = "58"
)

// errMoved means that another call recorded the id at the same moment: repeated, the statement finds the record.
var errMoved = errors.New("the id was recorded by another call")

// isTransient tells whether the same statement may succeed when sent again, and that it had no effect so far.
func isTransient(err error) bool {
	if refusal := new(pgconn.PgError); errors.As(err, &refusal) {
		return slices.Contains([]string{codeSerializationFailure, codeDeadlockDetected, codeLockNotAvailable}, refusal.Code)
	}
	return errors.Is(err, errMoved) || pgconn.SafeToRetry(err)
}

// isAway tells whether the database, not the statement, is at fault.
func isAway(err error) bool {
	if refused := new(pgconn.ConnectError); errors.As(err, &refused) {
		return true
	}
	if refusal := new(pgconn.PgError); errors.As(err, &refusal) {
		away := []string{classConnection, classInsufficientResources, classOperatorIntervention, classSystem}
		return isTransient(err) || refusal.Code == codeReadOnlyTransaction || slices.Contains(away, refusal.Code[:2])
	}
	if broken := net.Error(nil); errors.As(err, &broken) {
		return true
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn, puddle.ErrClosedPool} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return isTransient(err)
}

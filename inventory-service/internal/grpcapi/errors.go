package grpcapi

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
)

// statuses says what a client hears of an error. What is not here is Internal, without detail.
var statuses = []struct {
	err     error
	code    codes.Code
	message string
}{
	{stock.ErrOtherLines, codes.AlreadyExists, "the reservation id is known with other lines"},
	{stock.ErrUnavailable, codes.Unavailable, "the database is away; the same call may be repeated"},
	{context.DeadlineExceeded, codes.DeadlineExceeded, "the outcome is unknown; the same call may be repeated"},
	{context.Canceled, codes.Canceled, "the caller has gone; the outcome is unknown"},
}

// toStatus translates an error of the rules; an error that is a status already stays as it is.
func toStatus(err error) *status.Status {
	if known, ok := status.FromError(err); ok {
		return known
	}
	for _, row := range statuses {
		if errors.Is(err, row.err) {
			return status.New(row.code, row.message)
		}
	}
	return status.New(codes.Internal, "something went wrong here; the log has the cause under this call's trace id")
}

// violations gathers what is wrong with a request.
type violations []*errdetails.BadRequest_FieldViolation

func (v *violations) add(field, description string) {
	*v = append(*v, &errdetails.BadRequest_FieldViolation{Field: field, Description: description})
}

// err returns an INVALID_ARGUMENT that lists all violations, or nil where there is none.
func (v violations) err() error {
	if len(v) == 0 {
		return nil
	}
	invalid := status.New(codes.InvalidArgument, "the request breaks the rules of its fields; nothing was changed")
	detailed, err := invalid.WithDetails(&errdetails.BadRequest{FieldViolations: v})
	if err != nil {
		return invalid.Err()
	}
	return detailed.Err()
}

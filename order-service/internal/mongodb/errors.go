package mongodb

import (
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// duplicateKey is MongoDB's error code for a second document with one _id.
const duplicateKey = 11000

// translate turns the driver's errors into the rules' ones. Whatever is not an answer about the data means that the database could not do its work.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mongo.ErrNoDocuments):
		return order.ErrNotFound
	case mongo.IsDuplicateKeyError(err):
		return order.ErrDuplicate
	}
	return unavailable(err)
}

func unavailable(err error) error { return fmt.Errorf("%w: MongoDB: %w", order.ErrUnavailable, err) }

// translateEach gives each of n inserted documents its own answer.
func translateEach(err error, n int) []error {
	results := make([]error, n)
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) || bulk.WriteConcernError != nil {
		for i := range results {
			results[i] = translate(err)
		}
	}
	for _, failed := range bulk.WriteErrors {
		if failed.Index < 0 || failed.Index >= n {
			continue
		}
		if failed.Code == duplicateKey {
			results[failed.Index] = order.ErrDuplicate
		} else {
			results[failed.Index] = unavailable(failed)
		}
	}
	return results
}

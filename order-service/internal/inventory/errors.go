package inventory

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// translate turns gRPC errors into the rules' ones. An order that inventory finds invalid is a fault of ours, not an outage; everything else leaves the outcome open.
func translate(err error) error {
	if err == nil {
		return nil
	}
	switch status.Code(err) {
	case codes.AlreadyExists:
		return order.ErrHeldOtherwise
	case codes.InvalidArgument:
		return fmt.Errorf("inventory refuses the request as invalid: %w", err)
	default:
		return fmt.Errorf("%w: inventory: %w", order.ErrUnavailable, err)
	}
}

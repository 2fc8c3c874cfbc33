package stock

import (
	"context"
	"slices"
)

// Items keeps what is on stock. All methods are safe for concurrent use and return ErrUnavailable while the repository is away.
type Items interface {
	// CreateItem puts a new SKU on stock, or returns ErrItemExists.
	CreateItem(ctx context.Context, item Item) error
	// Quantities returns the units of the SKUs that exist, with one query.
	Quantities(ctx context.Context, skuCodes []string) (map[string]int64, error)
	// Adjust applies an adjustment with an unknown id and records it, at once; a known id is answered with its record. It returns ErrUnknownSKU, and the
	// errors of Adjustment.Apply; nothing is recorded then.
	Adjust(ctx context.Context, adjustment Adjustment) (RecordedAdjustment, error)
}

// Reservations keeps what is held for whom. All methods are safe for concurrent use and return ErrUnavailable while the repository is away.
type Reservations interface {
	// Reserve decides an unknown id by the rule of the function Reserve, takes the units and records it, at once; a known id is answered with its record.
	Reserve(ctx context.Context, id string, lines Lines) (Reservation, error)
	// Release gives back what a reserved id holds, and records an unknown id as released, at once. It returns the record as it then is.
	Release(ctx context.Context, id string) (Reservation, error)
}

// Repository is the memory of the inventory.
type Repository interface {
	Items
	Reservations
}

// Service is the inventory.
type Service struct{ repository Repository }

// NewService returns the inventory that the repository remembers.
func NewService(repository Repository) *Service { return &Service{repository} }

// CreateItem puts a new SKU on stock, or returns ErrItemExists.
func (s *Service) CreateItem(ctx context.Context, item Item) error {
	return s.repository.CreateItem(ctx, item)
}

// Quantities returns the units of each SKU in the order asked; nil stands for an unknown one.
func (s *Service) Quantities(ctx context.Context, skuCodes []string) ([]*int64, error) {
	distinct := slices.Compact(slices.Sorted(slices.Values(skuCodes)))
	known, err := s.repository.Quantities(ctx, distinct)
	if err != nil {
		return nil, err
	}
	quantities := make([]*int64, len(skuCodes))
	for i, skuCode := range skuCodes {
		if quantity, ok := known[skuCode]; ok {
			quantities[i] = &quantity
		}
	}
	return quantities, nil
}

// Adjust changes the stock of one SKU, once for each adjustment id, and returns the quantity right after that once. It returns ErrUnknownSKU,
// ErrInsufficientStock, ErrTooMuchStock and ErrOtherAdjustment.
func (s *Service) Adjust(ctx context.Context, adjustment Adjustment) (quantity int64, err error) {
	recorded, err := s.repository.Adjust(ctx, adjustment)
	if err != nil {
		return 0, err
	}
	return recorded.Answer(adjustment)
}

// Reserve takes the units of all lines for the id, or none, and returns the id's fate. It returns ErrOtherLines.
func (s *Service) Reserve(ctx context.Context, id string, lines Lines) (State, error) {
	recorded, err := s.repository.Reserve(ctx, id, lines)
	if err != nil {
		return "", err
	}
	return recorded.Answer(lines)
}

// Release gives back what the id holds, makes sure that it never will hold anything, and returns the id's fate.
func (s *Service) Release(ctx context.Context, id string) (State, error) {
	recorded, err := s.repository.Release(ctx, id)
	if err != nil {
		return "", err
	}
	return recorded.State, nil
}

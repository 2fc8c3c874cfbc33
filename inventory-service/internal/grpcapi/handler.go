package grpcapi

import (
	"context"
	"fmt"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	"github.com/steadfast-shop/steadfast/shared-kit/input"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
)

// inventory is what this package needs of stock.Service.
type inventory interface {
	Reserve(ctx context.Context, id string, lines stock.Lines) (stock.State, error)
	Release(ctx context.Context, id string) (stock.State, error)
}

// handler answers the calls; the interceptors turn its errors into statuses.
type handler struct {
	inventoryv1.UnimplementedInventoryServiceServer
	inventory inventory
}

// Reserve implements inventoryv1.InventoryServiceServer.
func (h *handler) Reserve(ctx context.Context, request *inventoryv1.ReserveRequest) (*inventoryv1.ReserveResponse, error) {
	lines, err := readReserve(request)
	if err != nil {
		return nil, err
	}
	state, err := h.inventory.Reserve(ctx, request.GetReservationId(), lines)
	if err != nil {
		return nil, err
	}
	return &inventoryv1.ReserveResponse{State: toProto(state)}, nil
}

// Release implements inventoryv1.InventoryServiceServer.
func (h *handler) Release(ctx context.Context, request *inventoryv1.ReleaseRequest) (*inventoryv1.ReleaseResponse, error) {
	var wrong violations
	wrong.checkID("reservation_id", request.GetReservationId())
	if err := wrong.err(); err != nil {
		return nil, err
	}
	state, err := h.inventory.Release(ctx, request.GetReservationId())
	if err != nil {
		return nil, err
	}
	return &inventoryv1.ReleaseResponse{State: toProto(state)}, nil
}

// readReserve returns the lines asked for, or a status that lists everything that is wrong with the request.
func readReserve(request *inventoryv1.ReserveRequest) (stock.Lines, error) {
	var wrong violations
	wrong.checkID("reservation_id", request.GetReservationId())
	asked := request.GetLines()
	if len(asked) == 0 || len(asked) > stock.MaxLines {
		wrong.add("lines", fmt.Sprintf("must have 1 to %d elements", stock.MaxLines))
		return stock.Lines{}, wrong.err()
	}
	lines := make([]stock.Line, 0, len(asked))
	for i, line := range asked {
		wrong.checkID(fmt.Sprintf("lines[%d].sku_code", i), line.GetSkuCode())
		if line.GetQuantity() < 1 || line.GetQuantity() > stock.MaxUnits {
			wrong.add(fmt.Sprintf("lines[%d].quantity", i), fmt.Sprintf("must be from 1 to %d", stock.MaxUnits))
		}
		lines = append(lines, stock.Line{SKUCode: line.GetSkuCode(), Quantity: line.GetQuantity()})
	}
	if err := wrong.err(); err != nil {
		return stock.Lines{}, err
	}
	return stock.NewLines(lines...), nil
}

func (v *violations) checkID(field, id string) {
	if wrong := input.CheckText(id, input.MaxID); wrong != "" {
		v.add(field, wrong)
	}
}

func toProto(state stock.State) inventoryv1.ReservationState {
	switch state {
	case stock.Reserved:
		return inventoryv1.ReservationState_RESERVATION_STATE_RESERVED
	case stock.Refused:
		return inventoryv1.ReservationState_RESERVATION_STATE_REFUSED
	case stock.Released:
		return inventoryv1.ReservationState_RESERVATION_STATE_RELEASED
	}
	return inventoryv1.ReservationState_RESERVATION_STATE_UNSPECIFIED
}

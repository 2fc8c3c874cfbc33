// Package inventory asks inventory-service for stock, over gRPC.
package inventory

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// serviceConfig spreads calls over all replicas and repeats what never reached one; both calls may be repeated.
const serviceConfig = `{
	"loadBalancingConfig": [{"round_robin": {}}],
	"methodConfig": [{
		"name": [{"service": "inventory.v1.InventoryService"}],
		"retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.05s", "maxBackoff": "0.2s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}
	}],
	"retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}
}`

// window is how much the server may send ahead, in bytes: the least that gRPC takes.
const window = 64 << 10

// Client is a connection to inventory-service. It is safe for concurrent use.
type Client struct {
	connection *grpc.ClientConn
	inventory  inventoryv1.InventoryServiceClient
}

// Dial prepares a client of the target, a gRPC name such as dns:///inventory:50051; it does not wait for it to answer.
func Dial(target string) (*Client, error) {
	connection, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
		passTrace(),
		// Far more than answers need, and fixed: to find the best by itself gRPC sends a ping for most calls.
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		// A peer that vanished without a word is noticed, and one that comes back is found within a second.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 3 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithIdleTimeout(0),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare the gRPC client of %s: %w", target, err)
	}
	connection.Connect()
	return &Client{connection: connection, inventory: inventoryv1.NewInventoryServiceClient(connection)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.connection.Close() }

// Reserve implements order.Inventory.
func (c *Client) Reserve(ctx context.Context, number string, lines []order.Line) (held bool, err error) {
	request := &inventoryv1.ReserveRequest{ReservationId: number, Lines: make([]*inventoryv1.Line, len(lines))}
	for i, line := range lines {
		request.Lines[i] = &inventoryv1.Line{SkuCode: line.SKU, Quantity: line.Quantity}
	}
	// gofail: var reserveCallBefore struct{}
	response, err := c.inventory.Reserve(ctx, request)
	// gofail: var reserveCallAfter struct{}
	if err != nil {
		return false, translate(err)
	}
	switch state := response.GetState(); state {
	case inventoryv1.ReservationState_RESERVATION_STATE_RESERVED:
		return true, nil
	case inventoryv1.ReservationState_RESERVATION_STATE_REFUSED, inventoryv1.ReservationState_RESERVATION_STATE_RELEASED:
		return false, nil
	default: // a newer server: what it means is not known, so nothing is decided by it
		return false, fmt.Errorf("%w: inventory answered the unknown state %v", order.ErrUnavailable, state)
	}
}

// Release implements order.Inventory.
func (c *Client) Release(ctx context.Context, number string) error {
	// gofail: var releaseCallBefore struct{}
	_, err := c.inventory.Release(ctx, &inventoryv1.ReleaseRequest{ReservationId: number})
	// gofail: var releaseCallAfter struct{}
	return translate(err)
}

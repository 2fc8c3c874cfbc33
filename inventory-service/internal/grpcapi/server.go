// Package grpcapi serves the inventory to the order service over gRPC: inventory.v1, with health and reflection beside it.
package grpcapi

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
)

const (
	// maxMessage holds a thousand lines with the longest ids of four-byte characters.
	maxMessage = 1 << 20
	// drainTimeout is how long Stop waits. Calls have ended by then; what is left are watchers of the health, which end only with their connection.
	drainTimeout = 3 * time.Second
	// healthPeriod is the pause between two looks at the database for grpc.health.v1; each takes at most checkTimeout.
	healthPeriod = time.Second
	checkTimeout = 900 * time.Millisecond
)

// Server is the gRPC server of the inventory.
type Server struct {
	grpc   *grpc.Server
	health *health.Server
}

// NewServer returns a server of the inventory that works at most limit on each call.
func NewServer(inventory inventory, limit time.Duration, log *slog.Logger, metrics prometheus.Registerer) *Server {
	s := &Server{
		grpc: grpc.NewServer(
			takeTrace(),
			grpc.ChainUnaryInterceptor(observe(log, metrics), recoverPanic(log), bound(limit)),
			grpc.MaxRecvMsgSize(maxMessage),
			// Room for the largest message, and fixed: to find the best by itself gRPC sends a ping for most calls.
			grpc.StaticStreamWindowSize(maxMessage),
			grpc.StaticConnWindowSize(maxMessage),
			grpc.MaxHeaderListSize(16<<10),
			grpc.MaxConcurrentStreams(1000),
			grpc.ConnectionTimeout(5*time.Second),
			// Connections end now and then, so that clients find new replicas; pings from clients are welcome, so that they notice a frozen one.
			grpc.KeepaliveParams(keepalive.ServerParameters{
				MaxConnectionAge: 5 * time.Minute, MaxConnectionAgeGrace: 30 * time.Second, Time: time.Minute, Timeout: 10 * time.Second,
			}),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		),
		health: health.NewServer(),
	}
	inventoryv1.RegisterInventoryServiceServer(s.grpc, &handler{inventory: inventory})
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	s.setServing(false)
	return s
}

// Serve answers on the listener until Stop.
func (s *Server) Serve(listener net.Listener) error { return s.grpc.Serve(listener) }

// Stop refuses new calls, lets those under way end, and cuts off what is left after drainTimeout or at the end of ctx.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	s.health.Shutdown()
	defer context.AfterFunc(ctx, s.grpc.Stop)()
	s.grpc.GracefulStop()
	return nil
}

// FollowHealth keeps grpc.health.v1 at what check says, until ctx ends.
func (s *Server) FollowHealth(ctx context.Context, check func(context.Context) error) error {
	again := time.NewTicker(healthPeriod)
	defer again.Stop()
	for {
		bounded, cancel := context.WithTimeout(ctx, checkTimeout)
		s.setServing(check(bounded) == nil)
		cancel()
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// setServing answers for the server as a whole, which is the empty name, and for its one service.
func (s *Server) setServing(serving bool) {
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if serving {
		status = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
	s.health.SetServingStatus(inventoryv1.InventoryService_ServiceDesc.ServiceName, status)
}

package grpcapi

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// observe writes one log line and one metric for each call, and turns the error into the status that the client hears.
func observe(log *slog.Logger, metrics prometheus.Registerer) grpc.UnaryServerInterceptor {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "grpc_server_call_duration_seconds",
		Help:    "Duration of gRPC calls by method and status code.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	}, []string{"method", "code"})
	metrics.MustRegister(durations)
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if strings.HasPrefix(info.FullMethod, "/grpc.health.") { // orchestrators would drown the others
			return handle(ctx, request)
		}
		start := time.Now()
		response, err := handle(ctx, request)
		answer, duration := toStatus(err), time.Since(start)
		durations.WithLabelValues(info.FullMethod, answer.Code().String()).Observe(duration.Seconds())
		attrs := []slog.Attr{
			slog.String("route", info.FullMethod),
			slog.String("status", answer.Code().String()),
			slog.Duration("duration", duration),
		}
		level := slog.LevelInfo
		if isOurFault(answer.Code()) {
			level = slog.LevelWarn
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		log.LogAttrs(ctx, level, "call", attrs...)
		return response, answer.Err()
	}
}

// isOurFault tells the codes whose cause belongs in the log.
func isOurFault(code codes.Code) bool {
	return code == codes.Internal || code == codes.Unavailable || code == codes.DeadlineExceeded
}

// recoverPanic turns a panic into an error, so that one bad call does not end the process.
func recoverPanic(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (response any, err error) {
		defer func() {
			if cause := recover(); cause != nil {
				log.ErrorContext(ctx, "panic in a handler", "route", info.FullMethod, "cause", cause, "stack", string(debug.Stack()))
				response, err = nil, fmt.Errorf("panic: %v", cause)
			}
		}()
		return handle(ctx, request)
	}
}

// bound keeps a client without a deadline from holding on for ever.
func bound(limit time.Duration) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return handle(ctx, request)
	}
}

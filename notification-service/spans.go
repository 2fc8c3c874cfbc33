package main

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/steadfast-shop/steadfast/notification-service/internal/mail"
)

// endProcess ends the span of a record's handling. After an error the record comes again.
func endProcess(span trace.Span, err error) {
	if err != nil && span.IsRecording() && !errors.Is(err, context.Canceled) { // which is the session's end
		span.SetAttributes(semconv.ErrorType(err))
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// endSend ends the span of a mail's way to the server. A mail that the server will not have, for now or for good, is no fault of the server.
func endSend(span trace.Span, err error) {
	var failure *mail.Failure
	if errors.As(err, &failure) && span.IsRecording() {
		span.SetAttributes(semconv.ErrorTypeKey.String(string(failure.Kind)))
		if failure.Code > 0 {
			span.SetAttributes(attribute.Int("steadfast.smtp.reply", failure.Code))
		}
		if failure.Kind == mail.Unavailable || failure.Kind == mail.Misconfigured {
			span.SetStatus(codes.Error, failure.Error())
		}
	}
	span.End()
}

// traceDeadLetter notes on the record's span that it was laid aside.
func traceDeadLetter(ctx context.Context, reason string) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("dead letter", trace.WithAttributes(attribute.String("steadfast.dead_letter.reason", reason)))
	}
}

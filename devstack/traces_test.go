package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/steadfast-shop/steadfast/devstack/internal/stack"
)

func TestChosenPartsRunWithoutTraces(t *testing.T) {
	t.Parallel()
	d := launch(t, filepath.Join(t.TempDir(), "data"), nil, "--only", stack.Notification)
	document := d.ready(t)
	if got := part(document, stack.Traces); got.State != stack.Left || document.URLs.OTLP != "" || document.URLs.Traces != "" {
		t.Errorf("got %+v with %+v, want it left out", got, document.URLs)
	}
	if got := get(t, document.URLs.Notification+"/environment"); strings.Contains(got, "OTEL_") {
		t.Errorf("the notification service is to send traces:\n%s", got)
	}
	d.stop(t)
}

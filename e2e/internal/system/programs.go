// Package system builds, starts, stops and breaks a whole Steadfast: the real processes, run by devstack.
package system

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// The parts of the stack, by devstack's names. Those of the services are their programs', too.
const (
	Gateway      = "gateway"
	Order        = "order-service"
	Inventory    = "inventory-service"
	Notification = "notification-service"
	Postgres     = "postgres"
	FerretDB     = "ferretdb"
	Kafka        = "kafka"
	Inbox        = "inbox"
)

const (
	devstack = "devstack"
	// Auditor is the program that checks what the databases and topics hold.
	Auditor = "auditor"
)

// Services lists the four services.
func Services() []string { return []string{Gateway, Order, Inventory, Notification} }

// Build builds devstack and the services of the repository into dir.
func Build(ctx context.Context, repository, dir string) error {
	for _, name := range append(Services(), devstack, Auditor) {
		command := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(repository, name), "-o", filepath.Join(dir, name), ".")
		if output, err := command.CombinedOutput(); err != nil {
			return errors.Join(fmt.Errorf("build %s: %w", name, err), errors.New(string(output)))
		}
	}
	return nil
}

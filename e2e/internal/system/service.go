package system

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
)

const readyWithin = 30 * time.Second

// Service is one service that runs beside a stack, or alone.
type Service struct {
	// URL is where health and metrics are; the API, too, except for the gateway.
	URL string
	// API is where the API is; for the notification service, which has none, it is URL.
	API string
	// GRPC is the address of inventory-service's gRPC server.
	GRPC string

	command *exec.Cmd
	log     string
	began   time.Time
	ended   chan struct{}
}

// portSettings are the settings for a service's ports: that of the API first, that of health and metrics last.
func portSettings(name string) []string {
	switch name {
	case Gateway:
		return []string{"GATEWAY_PORT", "GATEWAY_ADMIN_PORT"}
	case Inventory:
		return []string{"INVENTORY_GRPC_PORT", "INVENTORY_PORT"}
	case Order:
		return []string{"ORDER_PORT"}
	default:
		return []string{"NOTIFICATION_PORT"}
	}
}

// Settings are what the services need to work with this stack. Each takes what is its own.
func (s *Stack) Settings() []string {
	host, port, _ := net.SplitHostPort(s.URLs.SMTP)
	return append([]string{
		"ORDER_SERVICE_URI=" + s.URLs.Order,
		"INVENTORY_SERVICE_URI=" + s.URLs.Inventory,
		"INVENTORY_GRPC_URI=" + s.URLs.InventoryGRPC,
		"ORDER_MONGODB_URI=" + s.URLs.MongoDB,
		"INVENTORY_POSTGRES_URL=" + s.URLs.Postgres,
		"KAFKA_BOOTSTRAP_SERVERS=" + s.URLs.Kafka,
		"SMTP_HOST=" + host,
		"SMTP_PORT=" + port,
	}, s.options.Environment...)
}

// Place is where a service is started.
type Place struct {
	// Programs is the folder with the programs, and Logs that for the log.
	Programs, Logs string
	Ports          *Ports
}

// StartService starts one service with nothing but these settings, on free ports of its own. It does not wait for the service to be ready.
func StartService(ctx context.Context, place Place, name string, settings ...string) (*Service, error) {
	log, err := os.CreateTemp(place.Logs, name+"-*.log")
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has its own copy
	s := &Service{log: log.Name(), ended: make(chan struct{})}
	s.command = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(place.Programs, name))
	s.command.Env = []string{"LISTEN_HOST=127.0.0.1"}
	ports := portSettings(name)
	free, err := place.Ports.Take(ctx, len(ports))
	if err != nil {
		return nil, err
	}
	for i, setting := range ports {
		s.command.Env = append(s.command.Env, setting+"="+free[i])
	}
	first, last := net.JoinHostPort("127.0.0.1", free[0]), net.JoinHostPort("127.0.0.1", free[len(free)-1])
	s.API, s.URL = "http://"+first, "http://"+last
	if name == Inventory {
		s.GRPC, s.API = first, s.URL
	}
	s.command.Env = append(s.command.Env, settings...)
	s.command.Stdout, s.command.Stderr = log, log
	return s, s.start()
}

// StartAgain starts a service that has ended once more, with the same settings at the same addresses.
func (s *Service) StartAgain(ctx context.Context) (*Service, error) {
	log, err := os.OpenFile(s.log, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has its own copy
	again := &Service{URL: s.URL, API: s.API, GRPC: s.GRPC, log: s.log, ended: make(chan struct{})}
	again.command = exec.CommandContext(context.WithoutCancel(ctx), s.command.Path)
	again.command.Env, again.command.Stdout, again.command.Stderr = s.command.Env, log, log
	return again, again.start()
}

func (s *Service) start() error {
	s.began = time.Now()
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	go func() {
		defer close(s.ended)
		_ = s.command.Wait() // ProcessState keeps how it ended
	}()
	return nil
}

// WaitAnswer waits until GET path on the service's port for health answers with the status.
func (s *Service) WaitAnswer(ctx context.Context, path string, status int) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	err := poll.Until(ctx, func(ctx context.Context) error {
		select {
		case <-s.ended:
			cancel()
			return fmt.Errorf("it has ended: %s", s.command.ProcessState)
		default:
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		if response.StatusCode != status {
			return errors.New(response.Status)
		}
		return nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("wait for %d from %s: %w", status, path, err), errors.New(s.Output()))
	}
	return nil
}

// WaitReady waits until the service is ready.
func (s *Service) WaitReady(ctx context.Context) error {
	return s.WaitAnswer(ctx, "/readyz", http.StatusOK)
}

// Terminate sends SIGTERM and returns the exit status, and how long the end took. It gives up, and kills, after twice StopWithin.
func (s *Service) Terminate() (status int, took time.Duration, err error) {
	asked := time.Now()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, 0, fmt.Errorf("terminate: %w", err)
	}
	status, err = s.WaitEnd(2 * StopWithin)
	return status, time.Since(asked), err
}

// WaitEnd waits for the service's end and returns its exit status.
func (s *Service) WaitEnd(within time.Duration) (status int, err error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-s.ended:
		return s.command.ProcessState.ExitCode(), nil
	case <-timer.C:
		s.Kill()
		return 0, errors.New("it did not end within " + within.String())
	}
}

// Kill ends the service by SIGKILL, if it has not ended yet.
func (s *Service) Kill() {
	_ = s.command.Process.Kill() // it fails where the process has ended
	<-s.ended
}

// Freeze stops the service by SIGSTOP, until thaw is called.
func (s *Service) Freeze() (thaw func(), err error) { return freeze(s.command.Process.Pid) }

// Output returns what the service has written.
func (s *Service) Output() string {
	output, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(output)
}

// Complaints returns the lines of the log that no run may have.
func (s *Service) Complaints() ([]string, error) { return complaintsIn(s.log) }

package system

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// readyInterval is how exactly TimeStart measures.
const readyInterval = 2 * time.Millisecond

// TimeStart starts one service beside the stack, with what it needs to work with it, and returns how long it took from there until GET /readyz answered 200. The service is stopped again.
func (s *Stack) TimeStart(ctx context.Context, name, logs string) (time.Duration, error) {
	place := Place{Programs: s.options.Programs, Logs: logs, Ports: s.options.Ports}
	service, err := StartService(ctx, place, name, s.Settings()...)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", name, err)
	}
	defer service.Kill()
	took, err := service.timeReady(ctx)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("wait for %s: %w", name, err), errors.New(service.Output()))
	}
	if status, _, err := service.Terminate(); err != nil || status != 0 {
		return 0, errors.Join(fmt.Errorf("stop %s: exit status %d", name, status), err)
	}
	return took, nil
}

func (s *Service) timeReady(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	ticker := time.NewTicker(readyInterval)
	defer ticker.Stop()
	for {
		if answersReady(ctx, s.URL) {
			return time.Since(s.began), nil
		}
		select {
		case <-s.ended:
			return 0, fmt.Errorf("it has ended: %s", s.command.ProcessState)
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-ticker.C:
		}
	}
}

func answersReady(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // nothing of it is needed
	return response.StatusCode == http.StatusOK
}

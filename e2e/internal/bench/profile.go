package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// lateProfile is how long after its seconds a profile may come.
const lateProfile = 30 * time.Second

// profiles takes profiles of all services at once. Without a folder it takes none.
type profiles struct {
	dir       string
	length    time.Duration
	addresses map[string]string // by service

	group  sync.WaitGroup
	mu     sync.Mutex
	failed []error
}

// newProfiles prepares profiles of one load. It finds out where the services serve them beforehand, for that takes time.
func (t *target) newProfiles(o Options, load string) (*profiles, error) {
	p := &profiles{length: o.Measure, addresses: make(map[string]string)}
	if o.Profiles == "" {
		return p, nil
	}
	for _, service := range system.Services() {
		log, err := t.stack.Log(service)
		if err != nil {
			return nil, err
		}
		if p.addresses[service], err = profileAddress(log); err != nil {
			return nil, fmt.Errorf("profiles of %s: %w", service, err)
		}
	}
	p.dir = filepath.Join(o.Profiles, load)
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for profiles: %w", err)
	}
	return p, nil
}

// start begins with the profiles, which end by themselves with the measured time.
func (p *profiles) start(ctx context.Context) {
	for service, address := range p.addresses {
		for name, path := range map[string]string{"cpu": "profile", "mutex": "mutex", "block": "block", "allocs": "allocs"} {
			p.group.Go(func() {
				file := filepath.Join(p.dir, service+"-"+name+".pprof")
				if err := fetchProfile(ctx, fmt.Sprintf("http://%s/debug/pprof/%s", address, path), p.length, file); err != nil {
					p.fail(fmt.Errorf("profile %s of %s: %w", name, service, err))
				}
			})
		}
	}
}

func (p *profiles) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = append(p.failed, err)
}

// wait waits for all profiles that were begun.
func (p *profiles) wait() error {
	p.group.Wait()
	return errors.Join(p.failed...)
}

// profileAddress finds where a service says that it serves profiles. The last start counts.
func profileAddress(log string) (string, error) {
	address := ""
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		var line struct {
			Message string `json:"msg"`
			Address string `json:"address"`
		}
		if strings.Contains(lines.Text(), "serving profiles") && json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "serving profiles" {
			address = line.Address
		}
	}
	if address == "" {
		return "", errors.New("its log does not say where it serves profiles")
	}
	return address, nil
}

func fetchProfile(ctx context.Context, url string, length time.Duration, path string) error {
	ctx, cancel := context.WithTimeout(ctx, length+lateProfile)
	defer cancel()
	url += fmt.Sprintf("?seconds=%d", max(1, int(length.Seconds())))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}

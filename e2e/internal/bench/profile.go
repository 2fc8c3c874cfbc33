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

// profiles takes profiles of all services at once. Those of a nil folder are none.
type profiles struct {
	target *target
	dir    string // "" for none
	length time.Duration

	group  sync.WaitGroup
	mu     sync.Mutex
	failed []error
}

func (t *target) newProfiles(o Options, load string) *profiles {
	p := &profiles{target: t, length: o.Measure}
	if o.Profiles != "" {
		p.dir = filepath.Join(o.Profiles, load)
	}
	return p
}

// start begins with the profiles, which end by themselves with the measured time.
func (p *profiles) start(ctx context.Context) {
	if p.dir == "" {
		return
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil { //nolint:gosec // it is for everyone
		p.fail(fmt.Errorf("make the folder for profiles: %w", err))
		return
	}
	for _, service := range system.Services() {
		log, err := p.target.stack.Log(service)
		if err != nil {
			p.fail(err)
			continue
		}
		address, err := profileAddress(log)
		if err != nil {
			p.fail(fmt.Errorf("%s: %w", service, err))
			continue
		}
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
	file, err := os.Create(path) //nolint:gosec // in the folder that the user names
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}

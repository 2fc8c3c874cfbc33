// Package control lets one devstack command speak to the one that runs the
// stack: HTTP over a unix socket, which only the same user can open.
package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
	"github.com/steadfast-shop/steadfast/devstack/internal/stack"
)

// ErrNotRunning is returned when no stack runs on the data directory.
var ErrNotRunning = errors.New("no stack runs here; `devstack run` starts one")

// SocketPath is where the stack with this data directory takes commands: in the
// directory itself or, if that makes the path too long, in one for temporary files.
func SocketPath(dataDir string) string {
	path := filepath.Join(dataDir, "control.sock")
	if len(path) <= ports.MaxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(dataDir))
	return filepath.Join(os.TempDir(), "steadfast-"+hex.EncodeToString(sum[:8]), "control.sock")
}

// commander is what the commands act on.
type commander interface {
	Start(ctx context.Context, name string) error
	Stop(ctx context.Context, name string) error
	Kill(ctx context.Context, name string) error
}

// Serve takes commands on the socket until the returned function is called. The
// data directory must be locked, so that no one else serves there.
func Serve(ctx context.Context, socket string, parts commander, describe func() stack.Document) (stop func(), err error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return nil, fmt.Errorf("make folder for control socket: %w", err)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old control socket: %w", err)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect control socket: %w", err), listener.Close())
	}
	server := &http.Server{Handler: newHandler(parts, describe), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // it ends when stop is called
	return func() { _ = server.Close() }, nil
}

func newHandler(parts commander, describe func() stack.Document) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(describe()) // the asker has gone if this fails
	})
	for verb, act := range map[string]func(context.Context, string) error{
		"start": parts.Start, "stop": parts.Stop, "kill": parts.Kill,
	} {
		mux.HandleFunc("POST /parts/{name}/"+verb, func(w http.ResponseWriter, r *http.Request) {
			if err := act(r.Context(), r.PathValue("name")); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	return mux
}

// Client gives commands to the stack that runs on a data directory.
type Client struct {
	http http.Client
}

// NewClient makes a client; nothing is sent yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Command starts, stops or kills a part: verb is one of these words. It returns
// when the part is ready, has ended, or has been killed.
func (c *Client) Command(ctx context.Context, verb, part string) error {
	response, err := c.send(ctx, http.MethodPost, "/parts/"+part+"/"+verb)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// Status returns what the stack does now.
func (c *Client) Status(ctx context.Context) (stack.Document, error) {
	response, err := c.send(ctx, http.MethodGet, "/status")
	if err != nil {
		return stack.Document{}, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	var document stack.Document
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
		return stack.Document{}, fmt.Errorf("read status: %w", err)
	}
	return document, nil
}

// send returns the answer to a request that succeeded; its body is to be closed.
func (c *Client) send(ctx context.Context, method, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://devstack"+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		var refused *net.OpError
		if errors.As(err, &refused) && refused.Op == "dial" {
			return nil, ErrNotRunning
		}
		return nil, fmt.Errorf("ask the running stack: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		defer response.Body.Close() //nolint:errcheck // only read
		message, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return nil, errors.New(strings.TrimSpace(string(message)))
	}
	return response, nil
}

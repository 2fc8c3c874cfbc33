// Package page serves the pages of the parts that have one: their files, JSON, and events that say that something has changed.
package page

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path"
	"time"
)

const (
	// eventPause is the least time between two events of a stream: a flood of changes is announced in a few of them.
	eventPause = 200 * time.Millisecond
	heartbeat  = 15 * time.Second
)

// policy lets a page load nothing but its own files.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// assets are what the pages have in common.
//
//go:embed assets
var assets embed.FS

// Register adds a page's files to the routes, each by its name, index.html at the root; and what all pages have: page.css, page.js, and GET /livez.
func Register(mux *http.ServeMux, files fs.FS, paths ...string) {
	serve := func(from fs.FS, file string) {
		route := path.Base(file)
		if route == "index.html" {
			route = "{$}"
		}
		mux.HandleFunc("GET /"+route, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, from, file) })
	}
	for _, file := range paths {
		serve(files, file)
	}
	serve(assets, "assets/page.css")
	serve(assets, "assets/page.js")
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
}

// NewServer returns a server whose event streams end with ctx.
func NewServer(ctx context.Context, handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
}

// Secure sets what holds for every answer, and refuses changes that other sites ask for. A handler may set a policy of its own.
func Secure(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	}))
}

// WriteJSON answers with the value.
func WriteJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the reader has gone if this fails
}

// Events announces changes as server-sent events until the reader goes. state returns what the event says, and a channel that is closed at the next change. A reader asks for
// what changed, so that no event needs to be kept for a slow one.
func Events(w http.ResponseWriter, r *http.Request, state func() (event any, changed <-chan struct{})) {
	w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	pause := time.NewTicker(eventPause)
	defer pause.Stop()
	for {
		event, changed := state()
		text, err := json.Marshal(event)
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil || stream.Flush() != nil {
			return
		}
		for waiting := true; waiting; {
			select {
			case <-changed:
				waiting = false
			case <-beat.C:
				if _, err := w.Write([]byte(":\n\n")); err != nil || stream.Flush() != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
		select {
		case <-pause.C:
		case <-r.Context().Done():
			return
		}
	}
}

package httpserver

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// New returns a server with limits on everything that a slow or hostile client could draw out. longest is the longest time that an answer may take.
func New(handler http.Handler, longest time.Duration, log *slog.Logger) *http.Server {
	unused := &unusedConnections{connections: make(map[net.Conn]bool)}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      longest + 5*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnState:         unused.watch,
	}
	server.RegisterOnShutdown(unused.close)
	return server
}

// unusedConnections knows the connections on which no request has begun. Clients open some in advance, and Shutdown would wait five seconds for what comes on them.
type unusedConnections struct {
	mu          sync.Mutex
	connections map[net.Conn]bool
}

func (u *unusedConnections) watch(connection net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateNew {
		u.connections[connection] = true
	} else {
		delete(u.connections, connection)
	}
}

func (u *unusedConnections) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for connection := range u.connections {
		// The client finds it closed, as it would find an idle one.
		_ = connection.Close()
	}
}

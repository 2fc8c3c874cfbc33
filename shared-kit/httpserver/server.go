package httpserver

import (
	"log/slog"
	"net/http"
	"time"
)

// New returns a server with limits on everything that a slow or hostile client could draw out. longest is the longest time that an answer may take.
func New(handler http.Handler, longest time.Duration, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      longest + 5*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

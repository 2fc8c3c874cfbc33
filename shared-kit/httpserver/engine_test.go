package httpserver_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/shared-kit/httpserver"
)

// logged is a log that a test reads while a server writes it.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newServer(t *testing.T, log io.Writer) *httptest.Server {
	t.Helper()
	engine := httpserver.NewEngine("test", time.Second, slog.New(slog.NewJSONHandler(log, nil)), prometheus.NewRegistry())
	engine.GET("/hello/:name", func(c *gin.Context) {
		httpserver.Annotate(c, slog.String("extra", "yes"))
		c.String(http.StatusOK, "hello")
	})
	engine.GET("/left", func(c *gin.Context) {
		deadline, _ := c.Request.Context().Deadline()
		c.String(http.StatusOK, time.Until(deadline).Round(100*time.Millisecond).String())
	})
	engine.GET("/panic", func(*gin.Context) { panic("secret cause") })
	engine.GET("/panic-late", func(c *gin.Context) {
		c.String(http.StatusOK, "half an ans")
		c.Writer.Flush()
		panic(errors.New("late"))
	})
	engine.GET("/abort", func(c *gin.Context) {
		c.Writer.WriteString("half") //nolint:errcheck // the test looks at what arrives
		c.Writer.Flush()
		panic(http.ErrAbortHandler)
	})
	server := httptest.NewUnstartedServer(engine)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, url string, header ...string) (status int, body string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(header) == 2 {
		request.Header.Set(header[0], header[1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close() //nolint:errcheck // nothing is lost
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

func TestAccessLog(t *testing.T) {
	var log logged
	server := newServer(t, &log)
	if status, _, err := get(t, server.URL+"/hello/secret-name?q=secret", "X-Request-Id", "id-1"); status != 200 || err != nil {
		t.Fatalf("GET: %d, %v", status, err)
	}
	server.Close() // every line is out
	for _, want := range []string{`"route":"/hello/:name"`, `"status":200`, `"method":"GET"`, `"request_id":"id-1"`, `"extra":"yes"`, `"duration"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "secret") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log says too much: %s", log.String())
	}
}

func TestPanics(t *testing.T) {
	var log logged
	server := newServer(t, &log)
	if status, body, err := get(t, server.URL+"/panic"); status != 500 || strings.Contains(body, "secret") || err != nil {
		t.Errorf("a panic: %d %s, %v; want a 500 without the cause", status, body, err)
	}
	for _, path := range []string{"/panic-late", "/abort"} {
		if _, body, err := get(t, server.URL+path); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %q, %v; want an answer that is seen to be cut off", path, body, err)
		}
	}
	server.Close()
	if !strings.Contains(log.String(), "secret cause") || !strings.Contains(log.String(), `"aborted":true`) {
		t.Errorf("the log lacks the panic or the cut-off answer: %s", log.String())
	}
}

func TestDeadline(t *testing.T) {
	server := newServer(t, io.Discard)
	for header, want := range map[string]string{"": "1s", "500": "500ms", "5000": "1s", "0": "1s", "-1": "1s", "soon": "1s"} {
		if _, body, err := get(t, server.URL+"/left", httpserver.HeaderRequestTimeout, header); body != want || err != nil {
			t.Errorf("Request-Timeout %q leaves %s, %v; want %s", header, body, err, want)
		}
	}
}

func TestUnknownRoutes(t *testing.T) {
	server := newServer(t, io.Discard)
	if status, body, _ := get(t, server.URL+"/nothing"); status != 404 || !strings.Contains(body, `"code":"not_found"`) {
		t.Errorf("unknown path: %d %s", status, body)
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, server.URL+"/left", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing is lost
	if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET" {
		t.Errorf("unknown method: %d, Allow %q", response.StatusCode, response.Header.Get("Allow"))
	}
}

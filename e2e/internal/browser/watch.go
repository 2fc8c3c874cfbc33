package browser

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// watch notes what a page's events tell. It is safe for concurrent use.
type watch struct {
	mu    sync.Mutex
	urls  map[network.RequestID]string
	found []string
	count int
}

func newWatch() *watch { return &watch{urls: make(map[network.RequestID]string)} }

func (w *watch) faults() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.found)
}

func (w *watch) requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

func (w *watch) add(format string, values ...any) {
	w.found = append(w.found, fmt.Sprintf(format, values...))
}

// note takes an event in.
func (w *watch) note(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		w.add("exception: %s", exceptionText(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			w.add("console: %s", consoleText(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			w.add("log: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		w.count++
		w.urls[e.RequestID] = e.Request.URL
		if !isHere(e.Request.URL) {
			w.add("request to elsewhere: %s", e.Request.URL)
		}
	case *network.EventWebSocketCreated:
		if !isHere(e.URL) {
			w.add("connection to elsewhere: %s", e.URL)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			w.add("answer %d: %s", e.Response.Status, e.Response.URL)
		}
	case *network.EventLoadingFailed:
		if !e.Canceled { // the page itself, or its end, cancels requests
			w.add("request failed: %s: %s", w.urls[e.RequestID], e.ErrorText)
		}
	}
}

func exceptionText(details *runtime.ExceptionDetails) string {
	if details.Exception != nil {
		return details.Text + " " + details.Exception.Description
	}
	return details.Text
}

func consoleText(args []*runtime.RemoteObject) string {
	texts := make([]string, len(args))
	for i, arg := range args {
		if texts[i] = arg.Description; texts[i] == "" { // only what is no object has a value
			texts[i] = string(arg.Value)
		}
	}
	return strings.Join(texts, " ")
}

// isHere tells the addresses of this machine, and what needs no request at all.
func isHere(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch parsed.Scheme {
	case "data", "blob", "about":
		return true
	}
	return parsed.Hostname() == "127.0.0.1"
}

package inbox

import (
	"embed"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/steadfast-shop/steadfast/devstack/internal/page"
)

//go:embed page
var assets embed.FS

const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// mailPolicy lets a mail's HTML load nothing at all: it may be anyone's.
const mailPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox"

type handler struct{ store *Store }

func newHandler(store *Store) http.Handler {
	h := handler{store}
	mux := http.NewServeMux()
	page.Page{
		Title: "Inbox", Search: "Search recipient or subject", Files: assets, Style: "inbox.css", Scripts: []string{"inbox.js"},
	}.Register(mux)
	mux.HandleFunc("GET /api/mails", h.list)
	mux.HandleFunc("GET /api/mails/count", h.count)
	mux.HandleFunc("GET /api/mails/{id}", h.show)
	mux.HandleFunc("GET /api/mails/{id}/html", h.html)
	mux.HandleFunc("GET /api/mails/{id}/raw", h.raw)
	mux.HandleFunc("DELETE /api/mails", h.clear)
	mux.HandleFunc("GET /api/events", h.events)
	return page.Secure(mux)
}

func (h handler) list(w http.ResponseWriter, r *http.Request) {
	filter, err := readFilter(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if filter.Limit == 0 {
		filter.Limit = defaultLimit
	}
	all := Filter{To: filter.To, Subject: filter.Subject, MessageID: filter.MessageID}
	page.WriteJSON(w, map[string]any{"total": len(h.store.List(all)), "mails": h.store.List(filter)})
}

func (h handler) count(w http.ResponseWriter, r *http.Request) {
	filter, err := readFilter(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	page.WriteJSON(w, map[string]int{"count": len(h.store.List(filter))})
}

func readFilter(r *http.Request) (Filter, error) {
	query := r.URL.Query()
	filter := Filter{To: query.Get("to"), Subject: query.Get("subject"), MessageID: query.Get("messageId"), OldestFirst: query.Has("after")}
	var limit int64
	for _, number := range []struct {
		name string
		most int64
		into *int64
	}{{"after", 1 << 53, &filter.After}, {"before", 1 << 53, &filter.Before}, {"limit", maxLimit, &limit}} {
		text := query.Get(number.name)
		if text == "" {
			continue
		}
		value, err := strconv.ParseInt(text, 10, 64)
		if err != nil || value < 0 || value > number.most {
			return Filter{}, fmt.Errorf("%s must be a whole number from 0 to %d", number.name, number.most)
		}
		*number.into = value
	}
	filter.Limit = int(limit)
	return filter, nil
}

func (h handler) show(w http.ResponseWriter, r *http.Request) {
	if mail, ok := h.decoded(w, r); ok {
		page.WriteJSON(w, mail)
	}
}

// html serves the mail's HTML as a document of its own, for a frame.
func (h handler) html(w http.ResponseWriter, r *http.Request) {
	if mail, ok := h.decoded(w, r); ok {
		w.Header().Set("Content-Security-Policy", mailPolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(mail.HTML))
	}
}

func (h handler) raw(w http.ResponseWriter, r *http.Request) {
	if _, content, ok := h.stored(w, r); ok {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write(content) //nolint:gosec // as plain text, and not to be sniffed
	}
}

func (h handler) decoded(w http.ResponseWriter, r *http.Request) (Mail, bool) {
	summary, content, ok := h.stored(w, r)
	if !ok {
		return Mail{}, false
	}
	mail, err := decode(summary, content)
	if err != nil {
		// It breaks the rules of mail: show it as it is.
		mail = Mail{Summary: summary, Headers: []Header{}, Attachments: []string{}, Text: unixLines(content)}
	}
	return mail, true
}

func (h handler) stored(w http.ResponseWriter, r *http.Request) (Summary, []byte, bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		http.Error(w, "the id must be a number", http.StatusBadRequest)
		return Summary{}, nil, false
	}
	summary, content, err := h.store.Raw(id)
	if errors.Is(err, ErrNoSuchMail) {
		http.Error(w, err.Error(), http.StatusNotFound)
		return Summary{}, nil, false
	}
	if err != nil {
		http.Error(w, "the mail cannot be read", http.StatusInternalServerError)
		return Summary{}, nil, false
	}
	return summary, content, true
}

func (h handler) clear(w http.ResponseWriter, _ *http.Request) {
	if err := h.store.Clear(); err != nil {
		http.Error(w, "the mails cannot be deleted", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// events announces changes: {"latest": id, "count": n}. What changed is then asked for with after=id.
func (h handler) events(w http.ResponseWriter, r *http.Request) {
	page.Events(w, r, func() (any, <-chan struct{}) {
		latest, count, changed := h.store.Latest()
		return struct {
			Latest int64 `json:"latest"`
			Count  int   `json:"count"`
		}{latest, count}, changed
	})
}

package traces

import (
	"embed"
	"fmt"
	"net/http"
	"strconv"

	"github.com/steadfast-shop/steadfast/devstack/internal/page"
)

//go:embed page
var assets embed.FS

const defaultLimit = 100

type handler struct{ store *Store }

func newHandler(store *Store) http.Handler {
	h := handler{store}
	mux := http.NewServeMux()
	page.Register(mux, assets, "page/index.html", "page/traces.css", "page/traces.js", "page/timeline.js", "page/icon.svg")
	mux.HandleFunc("GET /api/traces", h.list)
	mux.HandleFunc("GET /api/traces/{id}", h.show)
	mux.HandleFunc("GET /api/events", h.events)
	return page.Secure(mux)
}

func (h handler) list(w http.ResponseWriter, r *http.Request) {
	filter, err := readFilter(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	found, total := h.store.List(filter)
	page.WriteJSON(w, map[string]any{"total": total, "traces": found})
}

func readFilter(r *http.Request) (Filter, error) {
	query := r.URL.Query()
	filter := Filter{Order: query.Get("order"), Search: query.Get("search"), Limit: defaultLimit}
	if text := query.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxTraces {
			return Filter{}, fmt.Errorf("limit must be a whole number from 1 to %d", maxTraces)
		}
		filter.Limit = limit
	}
	switch query.Get("placed") {
	case "", "false":
	case "true":
		filter.Placed = true
	default:
		return Filter{}, fmt.Errorf("placed must be true or false")
	}
	return filter, nil
}

func (h handler) show(w http.ResponseWriter, r *http.Request) {
	trace, err := h.store.Trace(r.PathValue("id"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	page.WriteJSON(w, trace)
}

// events announces changes: {"changes": n, "count": n}.
func (h handler) events(w http.ResponseWriter, r *http.Request) {
	page.Events(w, r, func() (any, <-chan struct{}) {
		changes, count, changed := h.store.State()
		return struct {
			Changes int64 `json:"changes"`
			Count   int   `json:"count"`
		}{changes, count}, changed
	})
}

// Package history keeps every call that clients made and what came of it, in memory and in a file of JSON lines.
package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// Kind is what a call asks for.
type Kind string

// Kinds of calls.
const (
	Create Kind = "create" // a new SKU
	Place  Kind = "place"  // an order
	Adjust Kind = "adjust" // stock
	Stock  Kind = "stock"  // a look at the stock
	Status Kind = "status" // of one order
	List   Kind = "list"   // of a user's orders
)

// Call is one request and its answer. Times are from the history's beginning, on one clock.
type Call struct {
	ID     int64         `json:"id"`
	Client int           `json:"client"`
	Kind   Kind          `json:"kind"`
	Called time.Duration `json:"called"`
	Ended  time.Duration `json:"ended"`
	// Try counts the tries of a client for the same thing, from 1.
	Try int `json:"try,omitempty"`

	Order      *shop.Order `json:"order,omitempty"`
	SKUs       []string    `json:"skus,omitempty"`
	Quantity   int64       `json:"quantity,omitempty"` // of a new SKU
	Adjustment string      `json:"adjustment,omitempty"`
	Delta      int64       `json:"delta,omitempty"`
	User       string      `json:"user,omitempty"`
	Number     string      `json:"number,omitempty"`

	// Answered is the status of the answer, 0 where none came.
	Answered int    `json:"status,omitempty"`
	Body     string `json:"body,omitempty"`
	Error    string `json:"error,omitempty"`
}

// History is safe for concurrent use.
type History struct {
	// Began is the moment that all times count from.
	Began time.Time

	mu     sync.Mutex
	calls  []Call
	file   *os.File
	writer *bufio.Writer
	failed error
	watch  func(Call)
}

// New begins a history that is written to a file, too, and tells watch of each call once it has ended.
func New(path string, watch func(Call)) (*History, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("make the history: %w", err)
	}
	return &History{Began: time.Now(), file: file, writer: bufio.NewWriterSize(file, 1<<16), watch: watch}, nil
}

// Now is the time since the history began.
func (h *History) Now() time.Duration { return time.Since(h.Began) }

// Add notes a call that has ended, with the answer or the error.
func (h *History) Add(call Call, answer shop.Answer, err error) {
	call.Ended, call.Answered, call.Body = h.Now(), answer.Status, answer.Body
	if err != nil {
		call.Error = err.Error()
	}
	h.mu.Lock()
	call.ID = int64(len(h.calls)) + 1
	h.calls = append(h.calls, call)
	line, err := json.Marshal(call)
	if err == nil {
		_, err = h.writer.Write(append(line, '\n'))
	}
	h.failed = errors.Join(h.failed, err)
	h.mu.Unlock()
	if h.watch != nil {
		h.watch(call)
	}
}

// Calls returns all calls that have ended, in the order in which they did.
func (h *History) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// Close writes out the file. The history can still be read.
func (h *History) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := errors.Join(h.failed, h.writer.Flush(), h.file.Close()); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	return nil
}

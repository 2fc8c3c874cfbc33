// Package inbox is a mail server that delivers to nobody: it keeps every mail
// and shows it on a page and through a JSON API.
package inbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrNoSuchMail is returned for an id that no mail has.
var ErrNoSuchMail = errors.New("no such mail")

// Summary is what a list shows of a mail.
type Summary struct {
	ID         int64     `json:"id"` // counts up from 1, in the order of arrival
	ReceivedAt time.Time `json:"receivedAt"`
	From       string    `json:"from"` // the envelope's sender
	To         []string  `json:"to"`   // the envelope's recipients
	Subject    string    `json:"subject"`
	MessageID  string    `json:"messageId"` // without angle brackets
	Size       int       `json:"size"`      // bytes, as received
}

// record is the line before each mail in the file. One with Cleared holds no
// mail: it only keeps the numbering when all mails before it were deleted.
type record struct {
	Summary
	Cleared bool `json:"cleared,omitempty"`
}

type storedMail struct {
	Summary
	offset int64
}

// Store keeps mails in one append-only file: for each a line of JSON, then the
// mail as it was received. A mail is handed to the operating system before Add
// returns, so it outlives a killed process.
type Store struct {
	mu      sync.RWMutex
	file    *os.File
	size    int64
	nextID  int64
	mails   []storedMail // by id
	changed chan struct{}
}

// OpenStore opens the file, or makes it. A record that a crash cut off at its
// end is dropped: its sender was never told that it arrived.
func OpenStore(path string) (*Store, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // in our own data directory
	if err != nil {
		return nil, fmt.Errorf("open mail file: %w", err)
	}
	s := &Store{file: file, nextID: 1, changed: make(chan struct{})}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("read mail file: %w", err), file.Close())
	}
	return s, nil
}

func (s *Store) load() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	reader := bufio.NewReaderSize(s.file, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var r record
		body := s.size + int64(len(line))
		if err != nil || json.Unmarshal(line, &r) != nil || body+int64(r.Size) > info.Size() {
			break
		}
		if _, err := reader.Discard(r.Size); err != nil {
			return err
		}
		if !r.Cleared {
			s.mails = append(s.mails, storedMail{r.Summary, body})
		}
		s.nextID, s.size = r.ID+1, body+int64(r.Size)
	}
	return s.file.Truncate(s.size)
}

// Close closes the file.
func (s *Store) Close() error { return s.file.Close() }

// Add keeps a mail and returns its summary with the id it was given.
func (s *Store) Add(mail Summary, content []byte) (Summary, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mail.ID, mail.Size = s.nextID, len(content)
	offset, err := s.append(record{Summary: mail}, content)
	if err != nil {
		return Summary{}, err
	}
	s.mails = append(s.mails, storedMail{mail, offset})
	return mail, nil
}

// append writes one record and returns where its content begins.
func (s *Store) append(r record, content []byte) (int64, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("encode mail summary: %w", err)
	}
	data := slices.Concat(line, []byte{'\n'}, content)
	if _, err := s.file.WriteAt(data, s.size); err != nil {
		return 0, fmt.Errorf("write mail: %w", err)
	}
	offset := s.size + int64(len(line)) + 1
	s.size += int64(len(data))
	s.nextID = r.ID + 1
	close(s.changed)
	s.changed = make(chan struct{})
	return offset, nil
}

// Clear deletes all mails. Ids go on counting.
func (s *Store) Clear() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.file.Truncate(0); err != nil {
		return fmt.Errorf("delete mails: %w", err)
	}
	s.size, s.mails = 0, nil
	_, err := s.append(record{Summary: Summary{ID: s.nextID}, Cleared: true}, nil)
	return err
}

// Raw returns a mail as it was received.
func (s *Store) Raw(id int64) (Summary, []byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, found := slices.BinarySearchFunc(s.mails, id, func(m storedMail, id int64) int { return int(m.ID - id) })
	if !found {
		return Summary{}, nil, ErrNoSuchMail
	}
	mail := s.mails[i]
	content := make([]byte, mail.Size)
	if _, err := s.file.ReadAt(content, mail.offset); err != nil {
		return Summary{}, nil, fmt.Errorf("read mail %d: %w", id, err)
	}
	return mail.Summary, content, nil
}

// Filter selects mails; zero fields select all.
type Filter struct {
	To        string // a recipient, letter case aside
	Subject   string // a part of the subject, letter case aside
	MessageID string // with or without angle brackets
	After     int64  // only higher ids
	Before    int64  // only lower ids
	Limit     int    // 0: no limit
	// OldestFirst turns the order round.
	OldestFirst bool
}

func (f Filter) matches(m *Summary) bool {
	return (f.To == "" || slices.ContainsFunc(m.To, func(to string) bool { return strings.EqualFold(to, f.To) })) &&
		(f.Subject == "" || strings.Contains(strings.ToLower(m.Subject), strings.ToLower(f.Subject))) &&
		(f.MessageID == "" || m.MessageID == bareID(f.MessageID)) &&
		m.ID > f.After && (f.Before == 0 || m.ID < f.Before)
}

// List returns the mails that the filter selects.
func (s *Store) List(f Filter) []Summary {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := []Summary{}
	for i := range s.mails {
		mail := &s.mails[len(s.mails)-1-i]
		if f.OldestFirst {
			mail = &s.mails[i]
		}
		if f.matches(&mail.Summary) {
			found = append(found, mail.Summary)
		}
		if f.Limit > 0 && len(found) == f.Limit {
			break
		}
	}
	return found
}

// Latest returns the highest id given so far, how many mails there are, and a
// channel that is closed at the next change.
func (s *Store) Latest() (id int64, count int, changed <-chan struct{}) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.nextID - 1, len(s.mails), s.changed
}

func bareID(messageID string) string {
	return strings.Trim(strings.TrimSpace(messageID), "<>")
}

// unixLines turns a mail's line ends into the ones that browsers and people expect.
func unixLines(text []byte) string {
	return string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
}

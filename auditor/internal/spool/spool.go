// Package spool keeps what one pass over the orders found, a file for each partition, so that each partition can be looked at by itself without reading the orders again.
package spool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
)

// Entry is a placed order, as far as its event must agree with it.
type Entry struct {
	Number    string
	Digest    uint64
	DecidedAt int64 // milliseconds since 1970
}

// Spool is a set of files that nobody else sees: they have no name any more.
type Spool struct {
	files   []*os.File
	writers []*bufio.Writer
}

// New makes a spool of that many partitions in the folder; "" is the system's for temporary files.
func New(dir string, partitions int) (*Spool, error) {
	s := &Spool{}
	for range partitions {
		file, err := os.CreateTemp(dir, "auditor-*")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make a spool file: %w", err), s.Close())
		}
		s.files, s.writers = append(s.files, file), append(s.writers, bufio.NewWriter(file))
		if err := os.Remove(file.Name()); err != nil { // it lives as long as it is open
			return nil, errors.Join(fmt.Errorf("hide a spool file: %w", err), s.Close())
		}
	}
	return s, nil
}

// Add writes an entry.
func (s *Spool) Add(partition int32, entry Entry) error {
	if len(entry.Number) > math.MaxUint16 {
		return fmt.Errorf("an order number of %d bytes is none", len(entry.Number))
	}
	head := binary.BigEndian.AppendUint16(nil, uint16(len(entry.Number)))
	head = binary.BigEndian.AppendUint64(head, entry.Digest)
	head = binary.BigEndian.AppendUint64(head, uint64(entry.DecidedAt))
	if _, err := s.writers[partition].Write(append(head, entry.Number...)); err != nil {
		return fmt.Errorf("write the spool: %w", err)
	}
	return nil
}

// Read yields the entries of a partition in the order in which they were added. It may be called again.
func (s *Spool) Read(partition int32) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := s.writers[partition].Flush(); err != nil {
			yield(Entry{}, fmt.Errorf("write the spool: %w", err))
			return
		}
		if _, err := s.files[partition].Seek(0, io.SeekStart); err != nil {
			yield(Entry{}, fmt.Errorf("read the spool: %w", err))
			return
		}
		reader := bufio.NewReader(s.files[partition])
		for {
			entry, err := readEntry(reader)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(entry, err) || err != nil {
				return
			}
		}
	}
}

func readEntry(reader io.Reader) (Entry, error) {
	var head [2 + 8 + 8]byte
	if _, err := io.ReadFull(reader, head[:]); err != nil {
		return Entry{}, err // io.EOF between entries is the end
	}
	number := make([]byte, binary.BigEndian.Uint16(head[:2]))
	if _, err := io.ReadFull(reader, number); err != nil {
		return Entry{}, fmt.Errorf("read the spool: entry cut short: %s", err) //nolint:errorlint // an EOF here is not the end
	}
	return Entry{Number: string(number), Digest: binary.BigEndian.Uint64(head[2:10]), DecidedAt: int64(binary.BigEndian.Uint64(head[10:]))}, nil
}

// Close deletes the spool.
func (s *Spool) Close() error {
	var err error
	for _, file := range s.files {
		err = errors.Join(err, file.Close())
	}
	return err
}

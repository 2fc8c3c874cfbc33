package fleet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// mostFrame is more than any answer of a broker here.
const mostFrame = 256 << 20

// readdress returns a copier of a broker's answers that names another port wherever the broker names its own, so that a client which asks where the brokers are goes on by its link.
// Kafka writes an address as the host and then the port, as a 32-bit number, in all versions of its answers; nothing else in them can be the two together. Only whole answers are
// looked at, and none changes its length.
func readdress(broker, link string) (func(io.Writer, io.Reader) error, error) {
	before, err := encoded(broker)
	if err != nil {
		return nil, err
	}
	after, err := encoded(link)
	if err != nil {
		return nil, err
	}
	if len(before) != len(after) {
		return nil, errors.New("the broker and its link have different hosts")
	}
	return func(to io.Writer, from io.Reader) error {
		for {
			var length [4]byte
			if _, err := io.ReadFull(from, length[:]); err != nil {
				return err
			}
			size := binary.BigEndian.Uint32(length[:])
			if size > mostFrame {
				return fmt.Errorf("an answer of %d bytes", size)
			}
			frame := make([]byte, len(length)+int(size))
			copy(frame, length[:])
			if _, err := io.ReadFull(from, frame[len(length):]); err != nil {
				return err
			}
			if _, err := to.Write(bytes.ReplaceAll(frame, before, after)); err != nil {
				return err
			}
		}
	}, nil
}

// encoded is an address as a broker writes it.
func encoded(address string) ([]byte, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("read an address: %w", err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("read the port of %s: %w", address, err)
	}
	return binary.BigEndian.AppendUint32([]byte(host), uint32(port)), nil
}

package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// patience is how long a client waits for an answer: more than the ten seconds in which the gateway promises one.
const patience = 20 * time.Second

// connection is one client's connection, which it alone uses: one write and one read for a request, in its own goroutine. That costs the machine, which the measured system shares,
// half of what net/http's client does.
type connection struct {
	address string
	conn    net.Conn // nil while there is none
	uncut   func() bool
	reader  *bufio.Reader
	body    bytes.Buffer
}

// send sends a whole request, as it goes over the wire, and returns the answer. The body is valid until the next call.
func (c *connection) send(ctx context.Context, request []byte) (status int, body []byte, err error) {
	if err := c.open(ctx); err != nil {
		return 0, nil, err
	}
	keep := false
	defer func() {
		if !keep {
			c.close()
		}
	}()
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, fmt.Errorf("set the deadline: %w", err)
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, fmt.Errorf("send: %w", err)
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("receive: %w", err)
	}
	c.body.Reset()
	_, err = c.body.ReadFrom(response.Body)
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return 0, nil, fmt.Errorf("receive the body: %w", err)
	}
	keep = !response.Close
	return response.StatusCode, c.body.Bytes(), nil
}

func (c *connection) open(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	c.conn, c.reader = conn, bufio.NewReader(conn)
	c.uncut = context.AfterFunc(ctx, func() { _ = conn.Close() }) // so that nobody waits for an answer then
	return nil
}

func (c *connection) close() {
	if c.conn != nil {
		c.uncut()
		_ = c.conn.Close() // nothing is expected from it any more
		c.conn = nil
	}
}

package inbox

import (
	"net"
	"sync"
	"time"
)

// goodbyeTime bounds how long the last answers of a connection may take.
const goodbyeTime = time.Second

// turnListener makes its connections send answers in turns with commands.
type turnListener struct{ net.Listener }

// Accept implements net.Listener.
func (l turnListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &turnConn{Conn: conn}, nil
}

// turnConn keeps answers back until the next command is waited for, or the end. The answers to commands that came together so go together (RFC 2920, 3.2), instead of
// waking the client for each line.
type turnConn struct {
	net.Conn

	mu      sync.Mutex
	answers []byte
}

// Read implements net.Conn.
func (c *turnConn) Read(p []byte) (int, error) {
	if err := c.flush(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn. A failure shows at the next Read.
func (c *turnConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = append(c.answers, p...)
	return len(p), nil
}

// Close implements net.Conn.
func (c *turnConn) Close() error {
	_ = c.SetWriteDeadline(time.Now().Add(goodbyeTime)) // a client that reads nothing holds up no end
	_ = c.flush()                                       // it may have gone first
	return c.Conn.Close()
}

func (c *turnConn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.answers)
	c.answers = c.answers[:0]
	return err
}

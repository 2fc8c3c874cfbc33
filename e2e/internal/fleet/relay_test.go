package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/system"
)

// greeter is a server that tells who it is.
func greeter(t *testing.T, name string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintln(conn, name)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

func ask(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // only read
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil && err != io.EOF { //nolint:errorlint // as it comes
		t.Fatal(err)
	}
	return line
}

// TestBalance: connections are shared out, one target that is away gets none, and without any the connection ends.
func TestBalance(t *testing.T) {
	closed := greeter(t, "x")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := listener.Addr().String()
	_ = listener.Close()
	for _, c := range []struct {
		targets []string
		want    map[string]int
	}{
		{[]string{greeter(t, "a"), greeter(t, "b")}, map[string]int{"a\n": 5, "b\n": 5}},
		{[]string{gone, closed}, map[string]int{"x\n": 10}},
		{[]string{gone}, map[string]int{"": 10}},
	} {
		r, err := balance(context.Background(), system.NewPorts(), c.targets...)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int)
		for range 10 {
			got[ask(t, r.address())]++
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("got %v; want %v", got, c.want)
		}
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestReaddress: a broker's address is replaced wherever an answer has it, and nothing else.
func TestReaddress(t *testing.T) {
	back, err := readdress([]string{"127.0.0.1:9092", "127.0.0.1:9094"}, []string{"127.0.0.1:19092", "127.0.0.1:19094"})
	if err != nil {
		t.Fatal(err)
	}
	frame := func(port uint32) []byte {
		body := append([]byte("topic 127.0.0.1:9092 "), "127.0.0.1"...)
		body = binary.BigEndian.AppendUint32(body, port)
		body = append(body, "127.0.0.1"...)
		body = binary.BigEndian.AppendUint32(body, 9093)
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	var out bytes.Buffer
	if err := back(&out, bytes.NewReader(append(frame(9092), frame(9094)...))); err != io.EOF { //nolint:errorlint // as it comes
		t.Errorf("got %v; want the end", err)
	}
	if want := append(frame(19092), frame(19094)...); !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got %q; want %q", out.Bytes(), want)
	}
	if _, err := readdress([]string{"127.0.0.1:9092"}, []string{"elsewhere.example:1"}); err == nil {
		t.Error("another host, of another length, is no error")
	}
}

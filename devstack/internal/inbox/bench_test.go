package inbox

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"testing"
)

// BenchmarkMail takes mails over one connection, as the notification service sends them.
func BenchmarkMail(b *testing.B) {
	s := startInbox(b, b.TempDir())
	conn, err := net.Dial("tcp", s.smtp)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the benchmark is over
	answers := textproto.NewReader(bufio.NewReader(conn))
	say := func(text []byte, codes ...int) {
		if _, err := conn.Write(text); err != nil {
			b.Fatal(err)
		}
		for _, code := range codes {
			if _, _, err := answers.ReadResponse(code); err != nil {
				b.Fatal(err)
			}
		}
	}
	say(nil, 220)
	say([]byte("EHLO bench\r\n"), 250)
	envelope := []byte("MAIL FROM:<orders@steadfast.example>\r\nRCPT TO:<john@example.com>\r\nDATA\r\n")
	var content bytes.Buffer
	content.Write(sample("john@example.com", "Your order", "1@steadfast.example"))
	for i := range 60 {
		fmt.Fprintf(&content, "\r\n%d %s", i, strings.Repeat("x", 70))
	}
	content.WriteString("\r\n.\r\n")
	b.ReportAllocs()
	for b.Loop() {
		say(envelope, 250, 250, 354)
		say(content.Bytes(), 250)
	}
}

package mail

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"

	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
)

// parsedMail is a mail as its reader sees it.
type parsedMail struct {
	header     netmail.Header
	text, html string
}

func composeAndParse(t *testing.T, order *eventsv1.OrderPlaced) parsedMail {
	t.Helper()
	composer, err := newComposer(&netmail.Address{Name: "Shop", Address: "orders@shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	composed, err := composer.compose(order, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	message, err := netmail.ReadMessage(textproto.NewReader(bufio.NewReader(bytes.NewReader(composed.data))).DotReader())
	if err != nil {
		t.Fatal(err)
	}
	mediaType, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/alternative" {
		t.Fatalf("got media type %q (%v), want multipart/alternative", mediaType, err)
	}
	parts := multipart.NewReader(message.Body, params["boundary"])
	return parsedMail{header: message.Header, text: nextPart(t, parts, "text/plain"), html: nextPart(t, parts, "text/html")}
}

func nextPart(t *testing.T, parts *multipart.Reader, want string) string {
	t.Helper()
	part, err := parts.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	if got := part.Header.Get("Content-Type"); got != want+"; charset=UTF-8" {
		t.Errorf("got %q, want %s in UTF-8", got, want)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestConfirmation(t *testing.T) {
	order := testOrder("ORD-001")
	order.Customer.FirstName, order.Customer.LastName = "Zoë", "Müller"
	order.Lines = append(order.Lines, &eventsv1.OrderLine{SkuCode: "SKU002", Quantity: 1, UnitPriceMinor: 5})
	got := composeAndParse(t, order)
	for name, want := range map[string]string{
		"Subject":        "Your order ORD-001 is placed",
		"From":           `"Shop" <orders@shop.example>`,
		"To":             "<john@example.com>",
		"Date":           "Fri, 02 Jan 2026 03:04:05 +0000",
		"Auto-Submitted": "auto-generated",
		"X-Order-Number": "ORD-001",
		"Message-Id":     "<5b75daab06a2ef216c9fe0a8d2a50ebc@shop.example>",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s: got %q, want %q", name, value, want)
		}
	}
	for _, want := range []string{"Hello Zoë Müller,", "ORD-001", "SKU001", "29.99", "59.98", "SKU002", "0.05", "60.03"} {
		if !strings.Contains(got.text, want) {
			t.Errorf("the text lacks %q:\n%s", want, got.text)
		}
		if !strings.Contains(got.html, want) {
			t.Errorf("the HTML lacks %q", want)
		}
	}
	for _, remote := range []string{"http:", "https:", "src=", "url("} {
		if strings.Contains(got.html, remote) {
			t.Errorf("the HTML has %q, want nothing loaded from elsewhere", remote)
		}
	}
}

func TestConfirmationWithoutName(t *testing.T) {
	order := testOrder("ORD-001")
	order.Customer.FirstName, order.Customer.LastName = "", ""
	if got := composeAndParse(t, order); !strings.HasPrefix(got.text, "Hello,\n") {
		t.Errorf("got %q, want a greeting without a name", got.text)
	}
}

func TestMessageIDFollowsFromTheOrderNumber(t *testing.T) {
	first, again := composeAndParse(t, testOrder("ORD-1")), composeAndParse(t, testOrder("ORD-1"))
	other := composeAndParse(t, testOrder("ORD-2"))
	if id := first.header.Get("Message-Id"); id != again.header.Get("Message-Id") || id == other.header.Get("Message-Id") {
		t.Errorf("got %q, %q for ORD-1 and %q for ORD-2", id, again.header.Get("Message-Id"), other.header.Get("Message-Id"))
	}
}

func TestHTMLIsEscaped(t *testing.T) {
	order := testOrder(`<b>1</b>`)
	order.Customer.FirstName = `<script>alert("x")</script>`
	order.Lines[0].SkuCode = `"><img src=x onerror=alert(1)>`
	got := composeAndParse(t, order)
	for _, tag := range []string{"<script", "<img", "<b>"} {
		if strings.Contains(got.html, tag) {
			t.Errorf("the HTML has %q", tag)
		}
	}
	if !strings.Contains(got.text, order.GetLines()[0].GetSkuCode()) {
		t.Error("the text does not show the code as it is")
	}
}

// Events are checked before a mail is composed; here the values come unchecked.
func TestHeadersCannotBeInjected(t *testing.T) {
	order := testOrder("ORD\r\nBcc: victim@example.com\r\n\r\nbody")
	order.Customer.FirstName = "John\r\nBcc: victim@example.com"
	got := composeAndParse(t, order)
	if bcc := got.header.Get("Bcc"); bcc != "" {
		t.Errorf("got Bcc %q, want none", bcc)
	}
	order.OrderNumber = "ORD-1"
	order.Customer.Email = "john@example.com\r\nBcc: victim@example.com"
	composer, err := newComposer(&netmail.Address{Address: "orders@shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := composer.compose(order, time.Now()); err == nil {
		t.Error("got a mail for an address of two lines, want an error")
	}
}

func TestTotalsBeyondInt64(t *testing.T) {
	order := testOrder("ORD-1")
	order.Lines = []*eventsv1.OrderLine{{SkuCode: "A", Quantity: 1 << 62, UnitPriceMinor: 1 << 62}}
	if got, want := composeAndParse(t, order).text, "212676479325586539664609129644855132.16"; !strings.Contains(got, want) {
		t.Errorf("got %q, want the total %s", got, want)
	}
}

// What follows DATA ends at a line with a single dot: no value may write one, nor a line end of its own that some servers take for CR LF.
func TestContentEndsAtItsEnd(t *testing.T) {
	composer, err := newComposer(&netmail.Address{Address: "orders@shop.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"a", ".", "..a", "a\r\n.\r\nb", "a\n.\nb", "a\r.\rb", "a\n.\r\nb", strings.Repeat("é.", 300), strings.Repeat("a", 72) + strings.Repeat(".", 200)} {
		order := testOrder("ORD-1" + value)
		order.Customer.FirstName, order.Lines[0].SkuCode = value, value
		composed, err := composer.compose(order, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		data := string(composed.data)
		if end := strings.Index(data, "\r\n.\r\n"); end != len(data)-len("\r\n.\r\n") {
			t.Errorf("%q: the mail ends at byte %d of %d", value, end, len(data))
		}
		if ends := strings.Count(data, "\r\n"); strings.Count(data, "\r") != ends || strings.Count(data, "\n") != ends {
			t.Errorf("%q: a line ends with CR or LF alone", value)
		}
		for _, line := range strings.Split(strings.TrimSuffix(data, ".\r\n"), "\r\n") {
			if strings.HasPrefix(line, ".") && !strings.HasPrefix(line, "..") {
				t.Errorf("%q: the line %q begins with one dot", value, line)
			}
		}
	}
}

func TestDotsAreDoubled(t *testing.T) {
	for content, want := range map[string]string{
		"a: b\r\n\r\nc":              "a: b\r\n\r\nc\r\n.\r\n",
		"a: b\r\n\r\n.\r\n..c\r\n.d": "a: b\r\n\r\n..\r\n...c\r\n..d\r\n.\r\n",
		"a: b\r\n\r\nc.\r\n":         "a: b\r\n\r\nc.\r\n.\r\n",
	} {
		if got := string(transparent([]byte(content))); got != want {
			t.Errorf("%q: got %q, want %q", content, got, want)
		}
	}
}

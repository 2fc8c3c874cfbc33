// Package mail writes the confirmation of an order and hands it to an SMTP server.
package mail

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"math/big"
	netmail "net/mail"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"

	gomail "github.com/wneessen/go-mail"

	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
)

//go:embed templates
var templates embed.FS

// message is a mail as it goes over the wire.
type message struct {
	from, to string // for the envelope, in angle brackets
	data     []byte // header and body, as they follow DATA: dots doubled where a line begins with one, and the final dot
	utf8     bool   // an address is not ASCII, so that the server must know SMTPUTF8 (RFC 6531)
}

// composer makes the mails, all from one sender.
type composer struct {
	from *netmail.Address
	text *texttemplate.Template
	html *htmltemplate.Template

	drafts sync.Pool // of *draft: a mail is some 5 kB, which is not allocated anew for each
}

// draft is where a mail is written.
type draft struct{ text, html, mail bytes.Buffer }

func newComposer(from *netmail.Address) (*composer, error) {
	text, err := texttemplate.ParseFS(templates, "templates/order_placed.txt.tmpl")
	if err != nil {
		return nil, fmt.Errorf("read the text template: %w", err)
	}
	html, err := htmltemplate.ParseFS(templates, "templates/order_placed.html.tmpl")
	if err != nil {
		return nil, fmt.Errorf("read the HTML template: %w", err)
	}
	return &composer{from: from, text: text, html: html}, nil
}

// confirmation is what the templates show.
type confirmation struct {
	Name, OrderNumber, Total string
	Lines                    []confirmationLine
}

type confirmationLine struct {
	SKUCode          string
	Quantity         int64
	UnitPrice, Total string
}

// compose writes the mail for an order. The same order always gets the same Message-ID, by which mail systems and people can tell a repeated mail.
func (c *composer) compose(order *eventsv1.OrderPlaced, now time.Time) (message, error) {
	d, _ := c.drafts.Get().(*draft)
	if d == nil {
		d = &draft{}
	}
	defer c.drafts.Put(d)
	d.text.Reset()
	d.html.Reset()
	d.mail.Reset()
	view := confirmationOf(order)
	if err := c.text.Execute(&d.text, view); err != nil {
		return message{}, fmt.Errorf("write the text: %w", err)
	}
	if err := c.html.Execute(&d.html, view); err != nil {
		return message{}, fmt.Errorf("write the HTML: %w", err)
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(c.from)
	if err := m.To(order.GetCustomer().GetEmail()); err != nil {
		return message{}, fmt.Errorf("set the recipient: %w", err)
	}
	m.Subject(fmt.Sprintf("Your order %s is placed", order.GetOrderNumber()))
	m.SetMessageIDWithValue(c.messageID(order.GetOrderNumber()))
	m.SetDateWithValue(now)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	m.SetGenHeader("X-Order-Number", order.GetOrderNumber())
	m.SetBodyWriter(gomail.TypeTextPlain, copyOf(&d.text))
	m.AddAlternativeWriter(gomail.TypeTextHTML, copyOf(&d.html))
	return render(m, &d.mail)
}

// copyOf writes a part of a mail as it stands in the draft.
func copyOf(part *bytes.Buffer) func(io.Writer) (int64, error) {
	return func(w io.Writer) (int64, error) {
		n, err := w.Write(part.Bytes())
		return int64(n), err
	}
}

func render(m *gomail.Msg, content *bytes.Buffer) (message, error) {
	from, err := m.GetSender(false)
	if err != nil {
		return message{}, fmt.Errorf("read the sender: %w", err)
	}
	to, err := m.GetRecipients()
	if err != nil {
		return message{}, fmt.Errorf("read the recipient: %w", err)
	}
	if strings.ContainsAny(from+to[0], "\r\n") { // it would be read as a command
		return message{}, errors.New("an address has more than one line")
	}
	if _, err := m.WriteTo(content); err != nil {
		return message{}, fmt.Errorf("write the mail: %w", err)
	}
	return message{from: from, to: to[0], data: transparent(content.Bytes()), utf8: !isASCII(from + to[0])}, nil
}

// transparent turns a mail into what follows DATA (RFC 5321, 4.5.2). Its lines end with CR LF.
func transparent(content []byte) []byte {
	lineWithDot, end := []byte("\r\n."), []byte("\r\n.\r\n")
	data := make([]byte, 0, len(content)+64)            // few lines begin with a dot
	content = bytes.TrimSuffix(content, []byte("\r\n")) // which comes again with the end
	for {
		at := bytes.Index(content, lineWithDot)
		if at < 0 {
			return append(append(data, content...), end...)
		}
		at += len(lineWithDot)
		data = append(append(data, content[:at]...), '.')
		content = content[at:]
	}
}

// messageID returns the order's Message-ID without its angle brackets.
func (c *composer) messageID(orderNumber string) string {
	sum := sha256.Sum256([]byte(orderNumber))
	_, domain, _ := strings.Cut(c.from.Address, "@")
	return hex.EncodeToString(sum[:16]) + "@" + domain
}

func confirmationOf(order *eventsv1.OrderPlaced) confirmation {
	customer := order.GetCustomer()
	view := confirmation{
		Name:        strings.TrimSpace(customer.GetFirstName() + " " + customer.GetLastName()),
		OrderNumber: order.GetOrderNumber(),
		Lines:       make([]confirmationLine, 0, len(order.GetLines())),
	}
	sum := new(big.Int) // the sum of int64 products may leave int64
	for _, line := range order.GetLines() {
		price := big.NewInt(line.GetUnitPriceMinor())
		total := new(big.Int).Mul(price, big.NewInt(line.GetQuantity()))
		sum.Add(sum, total)
		view.Lines = append(view.Lines, confirmationLine{SKUCode: line.GetSkuCode(), Quantity: line.GetQuantity(), UnitPrice: formatMinor(price), Total: formatMinor(total)})
	}
	view.Total = formatMinor(sum)
	return view
}

// formatMinor shows an amount in hundredths as a decimal number: 2999 is 29.99.
func formatMinor(amount *big.Int) string {
	whole, rest := new(big.Int).QuoRem(amount, big.NewInt(100), new(big.Int))
	return fmt.Sprintf("%s.%02d", whole, rest.Int64())
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 127 })
}

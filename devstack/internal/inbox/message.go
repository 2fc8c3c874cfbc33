package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // mails may come in any charset
	"github.com/emersion/go-message/mail"
)

// maxPart bounds what is shown of one part of a mail.
const maxPart = 5 << 20

// Mail is a mail, decoded.
type Mail struct {
	Summary
	Headers     []Header `json:"headers"`
	Text        string   `json:"text"`
	HTML        string   `json:"html"`
	Attachments []string `json:"attachments"` // their names
}

// Header is one header field, decoded.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// summarize fills in what a list shows of the mail. A mail that breaks the
// rules is kept all the same, with less to show.
func summarize(s Summary, content []byte) Summary {
	entity, err := message.Read(bytes.NewReader(content))
	if err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) {
		return s
	}
	header := mail.Header{Header: entity.Header}
	if s.Subject, err = header.Subject(); err != nil {
		s.Subject = header.Get("Subject")
	}
	s.MessageID = bareID(header.Get("Message-Id"))
	return s
}

// decode takes a mail apart.
func decode(s Summary, content []byte) (Mail, error) {
	decoded := Mail{Summary: s, Headers: []Header{}, Attachments: []string{}}
	reader, err := mail.CreateReader(bytes.NewReader(content))
	if err != nil && !message.IsUnknownCharset(err) {
		return Mail{}, fmt.Errorf("read mail: %w", err)
	}
	defer reader.Close() //nolint:errcheck // it only reads from memory
	for fields := reader.Header.Fields(); fields.Next(); {
		value, err := fields.Text()
		if err != nil {
			value = fields.Value()
		}
		decoded.Headers = append(decoded.Headers, Header{fields.Key(), value})
	}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return decoded, nil
		}
		if err != nil && !message.IsUnknownCharset(err) {
			return Mail{}, fmt.Errorf("read part of mail: %w", err)
		}
		if err := decoded.addPart(part); err != nil {
			return Mail{}, err
		}
	}
}

func (m *Mail) addPart(part *mail.Part) error {
	switch header := part.Header.(type) {
	case *mail.InlineHeader:
		kind, _, err := header.ContentType()
		if err != nil {
			kind = "text/plain" // RFC 2045, 5.2: what cannot be read is plain text
		}
		content, err := io.ReadAll(io.LimitReader(part.Body, maxPart))
		if err != nil {
			return fmt.Errorf("decode part of mail: %w", err)
		}
		switch {
		case kind == "text/html":
			m.HTML += unixLines(content)
		case strings.HasPrefix(kind, "text/"):
			m.Text += unixLines(content)
		}
	case *mail.AttachmentHeader:
		name, err := header.Filename()
		if err != nil || name == "" {
			name = "unnamed"
		}
		m.Attachments = append(m.Attachments, name)
	}
	return nil
}

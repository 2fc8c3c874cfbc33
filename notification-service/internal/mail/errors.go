package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"unicode"

	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
)

// Kind says whom a failure concerns, and with that what helps.
type Kind string

// Kinds of failures.
const (
	// Unavailable concerns the server or the way to it: every mail would fail now, so waiting helps.
	Unavailable Kind = "unavailable"
	// Misconfigured concerns our settings or the account: every mail fails until somebody acts. No mail is at fault, so all of them wait.
	Misconfigured Kind = "misconfigured"
	// Deferred concerns one mail, for now: it is tried again later while others go on.
	Deferred Kind = "deferred"
	// Refused concerns one mail, for good.
	Refused Kind = "refused"
)

// Stages of a delivery.
const (
	stageCompose = "compose"
	stageConnect = "connect" // dial, greeting, EHLO, STARTTLS and AUTH
	stageMail    = "MAIL"
	stageRcpt    = "RCPT"
	stageData    = "DATA"
	stageContent = "content" // after DATA was accepted: without an answer, the mail may have been taken or not
)

// Failure is why a mail was not sent. Its text holds no e-mail address, and no name of the customer.
type Failure struct {
	// Kind says whom the failure concerns.
	Kind Kind
	// Code is the server's reply code, 0 where it gave none.
	Code int

	stage string
	text  string
	cause error
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Code == 0 {
		return fmt.Sprintf("%s at %s: %s", f.Kind, f.stage, f.text)
	}
	return fmt.Sprintf("%s at %s: %d %s", f.Kind, f.stage, f.Code, f.text)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.cause }

func newFailure(stage string, err error) *Failure {
	f := &Failure{stage: stage, text: redact(err.Error()), cause: err}
	var reply *textproto.Error
	if errors.As(err, &reply) {
		f.Code, f.text = reply.Code, redact(reply.Msg)
	}
	f.Kind = classify(f)
	return f
}

// classify is the table of what a server's answer means. RFC 5321 gives 4xx and 5xx; which of them speak of the mail and which of the connection or the account does not
// follow from the first digit.
func classify(f *Failure) Kind {
	switch {
	case f.stage == stageCompose:
		return Refused
	case f.Code == 0:
		return classifySilence(f)
	case f.stage == stageConnect && f.Code >= 500: // a 554 greeting, 535 bad credentials, 530 must issue STARTTLS
		return Misconfigured
	case f.stage == stageConnect, f.Code < 400:
		return Unavailable
	case f.Code == 421, f.Code == 454: // shutting down; TLS or AUTH not available now
		return Unavailable
	case f.Code == 530, f.Code == 534, f.Code == 535, f.Code == 538: // the server wants another login or TLS (RFC 4954)
		return Misconfigured
	case f.stage == stageMail && (f.Code == 502 || f.Code == 503): // how some servers ask for a login
		return Misconfigured
	case f.Code == 550 && isRateLimit(f.text):
		return Unavailable
	case f.Code < 500:
		return Deferred
	}
	return Refused
}

// classifySilence tells a way that is cut from one that cannot work: no STARTTLS at the server, a certificate that is not good, no login that both sides know.
func classifySilence(f *Failure) Kind {
	var network net.Error
	isCut := errors.As(f.cause, &network) || errors.Is(f.cause, io.EOF) || errors.Is(f.cause, io.ErrUnexpectedEOF) || errors.Is(f.cause, net.ErrClosed) ||
		errors.Is(f.cause, io.ErrClosedPipe) || errors.Is(f.cause, context.Canceled) || errors.Is(f.cause, context.DeadlineExceeded)
	if f.stage == stageConnect && !isCut {
		return Misconfigured
	}
	return Unavailable
}

// isRateLimit knows Mailtrap's answer to too many mails a second, "550 5.7.0 Requested action not taken: too many emails per second": permanent by its code, short-lived in fact.
func isRateLimit(text string) bool {
	return strings.HasPrefix(text, "5.7.0") && strings.Contains(strings.ToLower(text), "too many")
}

// redact takes e-mail addresses out of a server's text, and keeps it to one short line.
func redact(text string) string {
	const longest = 300
	words := strings.Fields(strings.ToValidUTF8(text, "?"))
	for i, word := range words {
		if strings.Contains(word, "@") {
			words[i] = "[address]"
		}
	}
	text = strings.Join(words, " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// hideCustomer takes what a server repeats of the customer out of the failure's text: the name in front of the address's @, which servers like to show by itself, and the person's names.
func (f *Failure) hideCustomer(customer *eventsv1.Customer) {
	local, _, _ := strings.Cut(customer.GetEmail(), "@")
	names := append(strings.Fields(customer.GetFirstName()+" "+customer.GetLastName()), local)
	words := strings.Fields(f.text)
	for i, word := range words {
		bare := strings.TrimFunc(word, func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) })
		isLocal := len(local) > 3 && strings.Contains(strings.ToLower(word), strings.ToLower(local))
		if isLocal || slices.ContainsFunc(names, func(name string) bool { return bare != "" && strings.EqualFold(bare, name) }) {
			words[i] = "[customer]"
		}
	}
	f.text = strings.Join(words, " ")
}

package mail

import (
	"errors"
	"net/textproto"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzReply gives any answer of a server at any stage. The failure's text is one short line that holds no address, and its kind follows the rules: nothing that concerns the
// server or the connection is laid at a mail's door, and what may be repeated is never refused for good.
func FuzzReply(f *testing.F) {
	for _, c := range []struct {
		code int
		text string
	}{
		{0, "read tcp 127.0.0.1:1->127.0.0.1:25: EOF"},
		{421, "4.3.2 closing"},
		{450, "4.2.1 <john@example.com>: try later"},
		{550, "5.7.0 Requested action not taken: too many emails per second"},
		{550, "5.1.1 john@example.com\r\nunknown\x1b[31m"},
		{550, "5.7.1 see https://spf.example/why?id=john%40example.com"},
		{535, "5.7.8 bad credentials"},
		{250, "ok \xff" + strings.Repeat("ü", 400)},
		{-1, ""},
		{999, "a@b"},
	} {
		for stage := range uint8(6) {
			f.Add(stage, c.code, c.text)
		}
	}
	stages := []string{stageCompose, stageConnect, stageMail, stageRcpt, stageData, stageContent}
	f.Fuzz(func(t *testing.T, at uint8, code int, text string) {
		stage := stages[int(at)%len(stages)]
		var cause error = &textproto.Error{Code: code, Msg: text}
		if code == 0 {
			cause = errors.New(text)
		}
		failure := newFailure(stage, cause)
		checkShown(t, failure.Error())
		if failure.Code != code || !errors.Is(failure, cause) {
			t.Errorf("the failure %+v is not that of %v", failure, cause)
		}
		checkKind(t, failure, stage)
	})
}

func checkShown(t *testing.T, shown string) {
	t.Helper()
	if strings.Contains(shown, "@") || strings.Contains(shown, "%40") || strings.ContainsFunc(shown, unicode.IsControl) || !utf8.ValidString(shown) || len(shown) > 400 {
		t.Errorf("the failure shows as %q", shown)
	}
}

func checkKind(t *testing.T, failure *Failure, stage string) {
	t.Helper()
	concernsMail := failure.Kind == Deferred || failure.Kind == Refused
	switch {
	case failure.Kind != Unavailable && failure.Kind != Misconfigured && !concernsMail:
		t.Errorf("%v is of the kind %q", failure, failure.Kind)
	case stage == stageCompose:
		if failure.Kind != Refused {
			t.Errorf("%v: what cannot be written never will be", failure)
		}
	case (stage == stageConnect || failure.Code < 400) && concernsMail:
		t.Errorf("%v: no mail is at fault", failure)
	case failure.Code < 500 && failure.Kind == Refused:
		t.Errorf("%v: the server did not say that it is for good", failure)
	case failure.Code >= 500 && failure.Kind == Deferred:
		t.Errorf("%v: the server did not say that it is for now", failure)
	}
}

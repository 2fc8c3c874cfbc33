package inbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzMail keeps and shows anything that a client may send as a mail. It is listed, can be opened, and comes back to the letter; also after the file is read again.
func FuzzMail(f *testing.F) {
	for _, content := range []string{
		"", "no mail", "Subject: a\r\n\r\nb", "Subject: =?x?q?a?=\r\nMessage-Id: <a@b\r\n\r\n", "\xff: \xfe\r\n\r\n\x00", "Content-Type: text/plain; charset=nowhere\r\n\r\n\xfc",
		"Content-Transfer-Encoding: x\r\n\r\na", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--a--",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Disposition: attachment; filename*=utf-8''%zz\r\n\r\nx\r\n--a\r\nContent-Transfer-Encoding: base64\r\n\r\n***\r\n--a--",
		"Content-Type: multipart/alternative\r\n\r\n--\r\n", string(sample("john@example.com", "Your order", "1@steadfast.example")),
	} {
		f.Add([]byte(content), "john@example.com")
	}
	path := filepath.Join(f.TempDir(), "mails")
	f.Fuzz(func(t *testing.T, content []byte, to string) {
		store := open(t, path)
		kept, err := store.Add(summarize(Summary{From: "a@b", To: []string{to}}, content), content)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		store = open(t, path)
		defer store.Close() //nolint:errcheck // the test is over
		pages := newHandler(store)
		var mail Mail
		read(t, pages, fmt.Sprintf("/api/mails/%d", kept.ID), &mail)
		var list struct{ Mails []Summary }
		read(t, pages, "/api/mails?limit=1", &list)
		if len(list.Mails) != 1 || list.Mails[0].ID != kept.ID || mail.ID != kept.ID || mail.Size != len(content) || mail.Headers == nil || mail.Attachments == nil {
			t.Errorf("%q is listed as %+v and shown as %+v", content, list.Mails, mail)
		}
		raw := answer(t, pages, fmt.Sprintf("/api/mails/%d/raw", kept.ID))
		if raw.Body.String() != string(content) || !strings.HasPrefix(raw.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%q comes back as %q", content, raw.Body)
		}
		html := answer(t, pages, fmt.Sprintf("/api/mails/%d/html", kept.ID))
		if policy := html.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.HasSuffix(policy, "sandbox") {
			t.Errorf("the HTML of a mail is served under %q", policy)
		}
		if err := store.Clear(); err != nil {
			t.Fatal(err)
		}
	})
}

func open(t *testing.T, path string) *Store {
	t.Helper()
	store, err := OpenStore(path)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func answer(t *testing.T, pages http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %q", path, w.Code, w.Body)
	}
	return w
}

func read(t *testing.T, pages http.Handler, path string, into any) {
	t.Helper()
	if w := answer(t, pages, path); json.Unmarshal(w.Body.Bytes(), into) != nil {
		t.Fatalf("GET %s: %q", path, w.Body)
	}
}

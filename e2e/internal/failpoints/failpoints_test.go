package failpoints

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const repository = "../../.."

func TestEveryEffectHasItsPoints(t *testing.T) {
	effects, err := checkEffects(repository)
	if err != nil {
		t.Error(err)
	}
	if effects < 16 {
		t.Errorf("%d effects were found; there were 16 when this was written: has a type through which services act been missed?", effects)
	}
}

func TestEffectWithoutPoints(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module github.com/steadfast-shop/steadfast/notification-service\n\ngo 1.26.0\n",
		"a.go": `package main

type mailer interface {
	Send()
	MessageID() string
}

func bare(m mailer) { m.Send() }

func half(m mailer, n int) {
	switch n {
	case 1:
		// gofail: var halfBefore struct{}
		m.Send()
	}
	// gofail: var halfAfter struct{}
}

func other(m mailer) {
	// gofail: var oneBefore struct{}
	m.Send()
	// gofail: var twoAfter struct{}
}

func right(m mailer, n int) {
	switch n {
	case 1:
		// gofail: var rightBefore struct{}
		m.Send()
		// gofail: var rightAfter struct{}
	}
	_ = m.MessageID()
}

func main() {}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOWORK", "off")
	effects, err := checkService(dir)
	if err == nil || effects != 4 {
		t.Fatalf("%d effects, %v; want 4, and errors", effects, err)
	}
	for _, want := range []string{"a.go:8:", "a.go:14:", "a.go:21:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no error at %s in\n%v", want, err)
		}
	}
	if strings.Count(err.Error(), "acts on the outside") != 3 {
		t.Errorf("want three errors; got\n%v", err)
	}
}

func TestNames(t *testing.T) {
	for name, points := range map[string][]Point{
		"there twice": {{Service: "a", Name: "xBefore"}, {Service: "a", Package: "b", Name: "xBefore"}},
		"must end in": {{Service: "a", Name: "during"}},
		"":            {{Service: "a", Name: "xBefore"}, {Service: "b", Name: "xBefore"}, {Service: "a", Name: "xAfter"}, {Service: "a", Name: "faultX"}},
	} {
		err := checkNames(points)
		if name == "" && err != nil || name != "" && (err == nil || !strings.Contains(err.Error(), name)) {
			t.Errorf("%v: got %v; want %q", points, err, name)
		}
	}
}

// TestList compares the points with the list in the repository, so that a change of them shows in a review.
func TestList(t *testing.T) {
	points, err := List(repository)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, p := range points {
		text.WriteString(p.String() + "\n")
	}
	const list = "points.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(list, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(list); err != nil || string(kept) != text.String() {
		t.Errorf("the fail points are not those of %s (%v); UPDATE=1 go test ./internal/failpoints lists them anew", list, err)
	}
}

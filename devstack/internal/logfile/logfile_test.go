package logfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFollowShowsWholeLinesFromTheFirstToTheLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	lines := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Follow(ctx, path, func(line string) { lines <- line }) }()
	write(t, path, "one\ntw")
	if got := <-lines; got != "one" {
		t.Errorf("got %q, want one", got)
	}
	write(t, path, "o\n")
	if got := <-lines; got != "two" {
		t.Errorf("got %q, want two", got)
	}
	write(t, path, "three\n")
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := <-lines; got != "three" {
		t.Errorf("got %q, want the last line, too", got)
	}
}

func TestFileThatGrowsTooLargeIsCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := follower{path: path, show: func(string) {}}
	defer f.close()
	write(t, path, strings.Repeat("0123456789abcde\n", maxSize/16+1))
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	write(t, path, "after\n")
	if got := LastLines(path, 10); !slices.Equal(got, []string{"after"}) {
		t.Errorf("after the cut: got %q", got)
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() <= maxSize {
		t.Errorf("the earlier part is not kept: %v", err)
	}
}

func TestLastLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := LastLines(path, 3); got != nil {
		t.Errorf("no file: got %q", got)
	}
	write(t, path, strings.Repeat("more than is read from the end\n", 10_000))
	write(t, path, "a\nb\nc\n")
	if got := fmt.Sprint(LastLines(path, 2)); got != "[b c]" {
		t.Errorf("got %s, want the last two", got)
	}
}

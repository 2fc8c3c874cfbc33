package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
)

func TestCommandLine(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		args, want string // want is part of the error, "" means that there is none
	}{
		{"deadletters", ""},
		{"deadletters --open --json --kind refused --kind unreadable --order A --order B --letter 3/17 --reason 550 --since 36h --until 2026-01-31T11:00:00Z", ""},
		{"deadletters --topic order-placed --partition 0 --offset 0", ""},
		{"redrive --dry-run --again --limit 5 --json --since 2026-01-01", ""},
		{"redrive -limit=5", ""},
		{"redriven", `there is no command "redriven"`},
		{"--port 1", `there is no command "--port"`},
		{"redrive ORD-1", `"ORD-1" is no flag`},
		{"redrive --order", "flag needs an argument"},
		{"redrive --order=", "order number"},
		{"redrive --limit 0", "whole number from 1"},
		{"redrive --limit many", "whole number from 1"},
		{"redrive --open", "not defined"},
		{"deadletters --dry-run", "not defined"},
		{"deadletters --kind odd", "must be one of"},
		{"deadletters --letter 3", "such as 3/17"},
		{"deadletters --letter 3/-1", "such as 3/17"},
		{"deadletters --since yesterday", "must be a time such as"},
		{"deadletters --since -1h", "must be a time such as"},
		{"deadletters --since 1h --until 2h", "--since must be before --until"},
		{"deadletters --partition -1", "whole number from 0"},
		{"deadletters --partition 3000000000", "whole number from 0"},
		{"deadletters --offset x", "whole number from 0"},
	}
	for _, test := range tests {
		_, text, err := parseCommand(strings.Fields(test.args), now)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.args, err, test.want)
		}
		if !strings.HasPrefix(text, "Usage:") {
			t.Errorf("%s: got the usage %q", test.args, text)
		}
	}
}

func TestHelp(t *testing.T) {
	for args, want := range map[string]string{"--help": "deadletters [flags]", "-h": "redrive [flags]", "help": "serve", "redrive --help": "--dry-run", "deadletters -h": "--open"} {
		_, text, err := parseCommand(strings.Fields(args), time.Now())
		if !errors.Is(err, flag.ErrHelp) || !strings.Contains(text, want) {
			t.Errorf("%s: got %v and %q, want %q in it", args, err, text, want)
		}
	}
}

func TestExitStatus(t *testing.T) {
	t.Setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka") // no port
	for args, want := range map[string]int{"--help": 0, "redrive --help": 0, "deadletters": 1, "redrive": 1, "redrive --limit 0": 2, "nothing": 2} {
		var out, errs strings.Builder
		if got := runCommand(strings.Fields(args), &out, &errs); got != want {
			t.Errorf("%s: got status %d, want %d; %s", args, got, want, errs.String())
		}
		if (out.Len() > 0) != (want == 0) || (errs.Len() > 0) != (want == 2) {
			t.Errorf("%s: got %q and %q", args, out.String(), errs.String())
		}
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"36h": "2026-01-30T00:00:00Z", "0s": "2026-01-31T12:00:00Z", "2026-01-15": "2026-01-15T00:00:00Z", "2026-01-15T10:00:00+02:00": "2026-01-15T08:00:00Z",
	} {
		if got, err := parseTime(text, now); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: got %v (%v), want %s", text, got, err, want)
		}
	}
}

func TestFlagsReachTheFilter(t *testing.T) {
	var f deadletter.Filter
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	addFilterFlags(flags, &f, time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	args := "--order A --order B --letter 03/17 --kind refused --kind foreign --reason x --since 1h --until 2026-02-01 --topic t --partition 2 --offset 9"
	if err := flags.Parse(strings.Fields(args)); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(f.Orders, f.Letters, f.Kinds, f.Text, f.Since.Format(time.RFC3339), f.Until.Format(time.RFC3339), f.Topic, *f.Partition, *f.Offset)
	if want := "[A B] [3/17] [refused foreign]x2026-01-31T11:00:00Z2026-02-01T00:00:00Zt2 9"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"--seed", "7", "--duration", "1h", "--only", "kill:postgres", "--env", "order-service:A=1", "--env", "B=2"}, io.Discard)
	if err != nil || o.run.Seed != 7 || o.run.Duration != time.Hour || len(o.run.Only) != 1 || len(o.run.Fleet.Environment) != 2 || o.run.Fleet.SmallDisk {
		t.Errorf("got %+v, %v", o, err)
	}
	if o, err := parse(nil, io.Discard); err != nil || o.run.Seed == 0 || o.run.Duration != 3*time.Minute || !o.run.Fleet.SmallDisk {
		t.Errorf("the defaults are %+v, %v", o, err)
	}
	for arguments, want := range map[string]string{
		"--seed 7x":         "whole number",
		"--seed -1":         "whole number",
		"--duration 1s":     "at least 10s",
		"--clients 0":       "-clients 1",
		"--kafka real":      "embedded or apache",
		"--only kill,frost": `"frost"`,
		"--env NAME":        "NAME=value",
		"more":              `unexpected "more"`,
	} {
		if _, err := parse(strings.Fields(arguments), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %s", arguments, err, want)
		}
	}
}

func TestList(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--list"}, &out, io.Discard); err != nil || !strings.Contains(out.String(), "SIGSTOP") {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

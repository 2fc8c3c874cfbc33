package console

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
)

const (
	maxValue = 80
	maxLine  = 400
)

// readable turns a line of JSON, as slog writes it, into one for people: time,
// level, message, and the attributes in their order, without the ones that only
// matter to machines. Any other line is returned as it is, but for its length.
func readable(line string) string {
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return clip(printable(line), maxLine)
	}
	if !json.Valid([]byte(line)) { // cut off, or with something behind the object
		return clip(printable(line), maxLine)
	}
	var at, level, message string
	var attributes strings.Builder
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return clip(printable(line), maxLine)
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return clip(printable(line), maxLine)
		}
		switch name {
		case "duration":
			fmt.Fprintf(&attributes, " duration=%s", duration(value))
		case "time":
			if at == "" {
				at = clock(fmt.Sprint(value))
			}
		case "level":
			level = fmt.Sprint(value)
		case "msg":
			message = fmt.Sprint(value)
		case "service", "trace_id", "traceId", "span_id", "spanId", "source", "version":
		default:
			fmt.Fprintf(&attributes, " %s=%s", name, attribute(value))
		}
	}
	return clip(printable(strings.TrimSpace(fmt.Sprintf("%s %-5s %s%s", at, level, message, attributes.String()))), maxLine)
}

func attribute(value any) string {
	if text, isText := value.(string); isText {
		if strings.ContainsAny(text, " \t\n\"") {
			return clip(fmt.Sprintf("%q", text), maxValue)
		}
		return clip(text, maxValue)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return clip(string(encoded), maxValue)
}

// duration shows what slog writes as nanoseconds.
func duration(value any) string {
	number, isNumber := value.(json.Number)
	if !isNumber {
		return attribute(value)
	}
	nanoseconds, err := number.Int64()
	if err != nil {
		return number.String()
	}
	return time.Duration(nanoseconds).Round(10 * time.Microsecond).String()
}

func clock(stamp string) string {
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return stamp
	}
	return at.Local().Format("15:04:05.000")
}

func clip(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "…"
}

// printable keeps what a log line holds from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return -1
		}
		return r
	}, text)
}

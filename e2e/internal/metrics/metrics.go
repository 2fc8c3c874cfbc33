// Package metrics reads the metrics that a process shows.
package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Read returns what GET /metrics of the process at url shows.
func Read(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", http.NoBody)
	if err != nil {
		return "", fmt.Errorf("ask for metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask for metrics: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ask for metrics: %s", response.Status)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("read metrics: %w", err)
	}
	return string(text), nil
}

// Sum adds up the samples that the process at url shows with that name and all the labels, each written name="value". It is 0 where there are none.
func Sum(ctx context.Context, url, name string, labels ...string) (float64, error) {
	text, err := Read(ctx, url)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		value, ok := sample(strings.TrimSuffix(line, "\n"), name, labels)
		if !ok {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read metric %s: %w", name, err)
		}
		sum += number
	}
	return sum, nil
}

// sample returns the value in a line of the text format, such as name{a="b"} 1, if the line is what is looked for. No label of ours holds a blank.
func sample(line, name string, labels []string) (value string, ok bool) {
	series, value, found := strings.Cut(line, " ")
	if base, _, _ := strings.Cut(series, "{"); !found || base != name {
		return "", false
	}
	for _, label := range labels {
		if !strings.Contains(series, label) {
			return "", false
		}
	}
	return value, true
}

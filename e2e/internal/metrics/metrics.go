// Package metrics reads the metrics that a process shows.
package metrics

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Sum reads GET /metrics of the process at url and adds up the samples with that name and all the labels, each written name="value". It is 0 where there are none.
func Sum(ctx context.Context, url, name string, labels ...string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("ask for metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask for metrics: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("ask for metrics: %s", response.Status)
	}
	sum := 0.0
	for lines := bufio.NewScanner(response.Body); ; {
		if !lines.Scan() {
			return sum, lines.Err()
		}
		value, ok := sample(lines.Text(), name, labels)
		if !ok {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read metric %s: %w", name, err)
		}
		sum += number
	}
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

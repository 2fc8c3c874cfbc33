package failpoints

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/steadfast-shop/steadfast/e2e/internal/poll"
)

// Setting names the address at which a service that Build built lets its fail points be switched.
const Setting = "GOFAIL_HTTP"

// Control switches the fail points of one process.
type Control struct {
	// Address is the process's Setting, host:port.
	Address string
}

// Stay makes the first one that reaches a kill point stay there, for a minute: until the process is killed.
const Stay = "1*sleep(60000)"

// On makes the fail point do what the terms say, in gofail's language.
func (c Control) On(ctx context.Context, point, terms string) error {
	_, err := c.call(ctx, http.MethodPut, point, terms)
	return err
}

// WaitReached waits until somebody has reached a point that is on.
func (c Control) WaitReached(ctx context.Context, point string) error {
	return poll.Until(ctx, func(ctx context.Context) error {
		text, err := c.call(ctx, http.MethodGet, point+"/count", "")
		if err != nil {
			return err
		}
		if n, err := strconv.Atoi(text); err != nil || n == 0 {
			return errors.New("nobody has reached " + point)
		}
		return nil
	})
}

func (c Control) call(ctx context.Context, method, path, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.Address+"/"+path, strings.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("make the request: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("reach the fail points: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it is only read
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return "", fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(data)))
	}
	return string(data), nil
}

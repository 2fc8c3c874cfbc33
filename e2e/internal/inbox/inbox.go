// Package inbox reads the mails that the local stack's SMTP server has taken.
package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// most is how many mails are read at once. No test system gets as many.
const most = 10_000

// Client reads one inbox.
type Client struct{ url string }

// New returns a client of the inbox whose page is at url.
func New(url string) *Client { return &Client{url} }

// Summary is what the list shows of a mail.
type Summary struct {
	ID        int64    `json:"id"`
	From      string   `json:"from"`
	To        []string `json:"to"`
	Subject   string   `json:"subject"`
	MessageID string   `json:"messageId"`
}

// Mail is a mail in full.
type Mail struct {
	Summary
	Headers []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"headers"`
	Text string `json:"text"`
	HTML string `json:"html"`
}

// Header returns the first header of that name, or "".
func (m Mail) Header(name string) string {
	for _, header := range m.Headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

// ByRecipient returns all mails by their recipient's address, in lower case.
func (c *Client) ByRecipient(ctx context.Context) (map[string][]Summary, error) {
	var list struct {
		Total int       `json:"total"`
		Mails []Summary `json:"mails"`
	}
	if err := c.get(ctx, fmt.Sprintf("/api/mails?limit=%d", most), &list); err != nil {
		return nil, err
	}
	if list.Total > most {
		return nil, fmt.Errorf("the inbox holds %d mails, more than can be read at once", list.Total)
	}
	byRecipient := make(map[string][]Summary)
	for _, mail := range list.Mails {
		for _, to := range mail.To {
			to = strings.ToLower(to)
			byRecipient[to] = append(byRecipient[to], mail)
		}
	}
	return byRecipient, nil
}

// Read returns one mail in full.
func (c *Client) Read(ctx context.Context, id int64) (Mail, error) {
	var mail Mail
	err := c.get(ctx, fmt.Sprintf("/api/mails/%d", id), &mail)
	return mail, err
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the inbox: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the inbox: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the inbox: %s", response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("read the inbox's answer: %w", err)
	}
	return nil
}

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

// most is how many mails are read at once. No test system gets as many; Since reads more.
const most = 10_000

// Client reads one inbox.
type Client struct{ url string }

// New returns a client of the inbox whose page is at url.
func New(url string) *Client { return &Client{url} }

// Summary is what the list shows of a mail.
type Summary struct {
	ID         int64     `json:"id"`
	ReceivedAt time.Time `json:"receivedAt"`
	From       string    `json:"from"`
	To         []string  `json:"to"`
	Subject    string    `json:"subject"`
	MessageID  string    `json:"messageId"`
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
	list, err := c.list(ctx, fmt.Sprintf("limit=%d", most))
	if err != nil {
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

// Latest returns the id of the newest mail, 0 where there is none, and how many there are.
func (c *Client) Latest(ctx context.Context) (id int64, total int, err error) {
	list, err := c.list(ctx, "limit=1")
	if err != nil || len(list.Mails) == 0 {
		return 0, list.Total, err
	}
	return list.Mails[0].ID, list.Total, nil
}

// Since returns all mails with a higher id, however many, the newest first.
func (c *Client) Since(ctx context.Context, id int64) ([]Summary, error) {
	var mails []Summary
	for query := fmt.Sprintf("limit=%d", most); ; {
		list, err := c.list(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, mail := range list.Mails {
			if mail.ID <= id {
				return mails, nil
			}
			mails = append(mails, mail)
		}
		if len(list.Mails) < most {
			return mails, nil
		}
		query = fmt.Sprintf("limit=%d&before=%d", most, mails[len(mails)-1].ID)
	}
}

// Read returns one mail in full.
func (c *Client) Read(ctx context.Context, id int64) (Mail, error) {
	var mail Mail
	err := c.get(ctx, fmt.Sprintf("/api/mails/%d", id), &mail)
	return mail, err
}

// page is an answer of the list.
type page struct {
	Total int       `json:"total"`
	Mails []Summary `json:"mails"`
}

func (c *Client) list(ctx context.Context, query string) (page, error) {
	var list page
	err := c.get(ctx, "/api/mails?"+query, &list)
	return list, err
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

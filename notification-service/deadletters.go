package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
)

// tableBlock is how many lines of the table are aligned with each other, and held in memory.
const tableBlock = 1000

// letterView is a dead letter as programs get it. Of the record itself it holds nothing but the order number and sizes: the rest is personal.
type letterView struct {
	Letter      placeView  `json:"letter"`
	Time        time.Time  `json:"time"`
	State       string     `json:"state"` // open or redriven
	RedrivenAt  *time.Time `json:"redrivenAt,omitempty"`
	OrderNumber string     `json:"orderNumber,omitempty"`
	Kind        string     `json:"kind"`
	Reason      string     `json:"reason"`
	Origin      placeView  `json:"origin"`
	ValueBytes  int        `json:"valueBytes"`
	LeftOut     string     `json:"leftOut,omitempty"`
}

type placeView struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

func viewOf(l deadletter.Letter) letterView {
	v := letterView{
		Letter:      placeView{l.Record.Topic, l.Record.Partition, l.Record.Offset},
		Time:        l.Time.UTC(),
		State:       "open",
		OrderNumber: deadletter.Plain(l.OrderNumber),
		Kind:        string(l.Kind),
		Reason:      l.Reason,
		Origin:      placeView(l.Origin),
		ValueBytes:  len(l.Record.Value),
		LeftOut:     l.LeftOut,
	}
	if !l.IsOpen() {
		at := l.RedrivenAt.UTC()
		v.State, v.RedrivenAt = "redriven", &at
	}
	return v
}

// listLetters writes the letters that the filter means.
func (o *options) listLetters(ctx context.Context, out io.Writer, client sarama.Client) error {
	box, err := deadletter.Open(ctx, client)
	if err != nil {
		return err
	}
	if o.asJSON {
		return o.listJSON(ctx, out, box)
	}
	return o.listTable(ctx, out, box)
}

func (o *options) listJSON(ctx context.Context, out io.Writer, box *deadletter.Box) error {
	encoder := json.NewEncoder(out)
	for letter, err := range box.Letters(ctx) {
		if err != nil {
			return err
		}
		if !o.filter.Match(letter) {
			continue
		}
		if err := encoder.Encode(viewOf(letter)); err != nil {
			return fmt.Errorf("write the list: %w", err)
		}
	}
	return nil
}

func (o *options) listTable(ctx context.Context, out io.Writer, box *deadletter.Box) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	found, open := 0, 0
	for letter, err := range box.Letters(ctx) {
		if err != nil {
			return err
		}
		if !o.filter.Match(letter) {
			continue
		}
		if found%tableBlock == 0 {
			fmt.Fprintln(table, "LETTER\tSINCE\tSTATE\tORDER\tREAD FIRST AT\tREASON")
		}
		v := viewOf(letter)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", letter.ID(), v.Time.Format(time.RFC3339), v.State, cmp.Or(v.OrderNumber, "-"), letter.Origin, v.Reason)
		found++
		if letter.IsOpen() {
			open++
		}
		if found%tableBlock == 0 {
			if err := table.Flush(); err != nil {
				return fmt.Errorf("write the list: %w", err)
			}
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the list: %w", err)
	}
	_, err := fmt.Fprintf(out, "%s, %d of them open\n", counted(found, "dead letter"), open)
	return err
}

// counted writes a number of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

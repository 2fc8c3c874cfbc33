package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
	"github.com/steadfast-shop/steadfast/notification-service/internal/ledger"
)

const (
	// redriveAtOnce is how many letters are under way at a time: enough to fill the producer's batches.
	redriveAtOnce = 64
	// redriveGrace is what the letters under way still get when the command is interrupted, so that what went through is marked, too.
	redriveGrace = 5 * time.Second
	// redriveWithin bounds the two writes for a letter, all tries together.
	redriveWithin = 30 * time.Second
)

// outcome is what became of a letter.
type outcome string

const (
	outcomeSent     outcome = "sent"
	outcomeWould    outcome = "would be sent"
	outcomeCannot   outcome = "cannot be sent" // ever
	outcomeFailed   outcome = "failed"         // perhaps it was sent; it stays open, and the next run sends it
	outcomeUnmarked outcome = "sent, not marked"
)

// result is a letter with what became of it.
type result struct {
	letter  deadletter.Letter
	event   *sarama.ProducerMessage // nil where there can be none
	outcome outcome
	err     error
}

// redriver sends letters through again. For each letter the event comes first, and the marker when the brokers have acknowledged it: after a crash between the two the letter is still
// open, the next run sends it again, and the ledger sees to it that it is not mailed again.
type redriver struct {
	publish    ledger.Publish
	partitions int32 // of order-placed
	dryRun     bool
}

// redriveLetters sends the letters through that the filter means.
func (o *options) redriveLetters(ctx context.Context, out io.Writer, client sarama.Client) error {
	partitions, err := checkPartitions(client)
	if err != nil {
		return err
	}
	r := &redriver{partitions: partitions, dryRun: o.dryRun}
	if !o.dryRun {
		producer, err := sarama.NewSyncProducerFromClient(client)
		if err != nil {
			return fmt.Errorf("open the producer: %w", err)
		}
		// It is not closed: that waits for writes without end. Each write has been waited for, and the client ends its connections.
		p := &publisher{producer: producer, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
		r.publish = p.publish
	}
	box, err := deadletter.Open(ctx, client)
	if err != nil {
		return err
	}
	return o.redrive(ctx, out, box, r)
}

func (o *options) redrive(ctx context.Context, out io.Writer, box *deadletter.Box, r *redriver) error {
	report := &redriveReport{out: out, asJSON: o.asJSON}
	var waiting []deadletter.Letter
	chosen := 0
	for letter, err := range box.Letters(ctx) {
		if err != nil {
			return report.end(err)
		}
		if !o.filter.Match(letter) {
			continue
		}
		if !letter.IsOpen() && !o.again {
			report.skipped++
			continue
		}
		if o.limit > 0 && chosen == o.limit {
			report.beyond++
			continue
		}
		if letter.LeftOut == "" { // else nothing will be sent
			chosen++
		}
		waiting = append(waiting, letter)
		if len(waiting) == redriveAtOnce {
			if err := report.add(r.sendAll(ctx, waiting)); err != nil {
				return report.end(err)
			}
			waiting = waiting[:0]
		}
	}
	return report.end(report.add(r.sendAll(ctx, waiting)))
}

// sendAll sends letters through beside each other, and returns what became of them in their order.
func (r *redriver) sendAll(ctx context.Context, letters []deadletter.Letter) []result {
	results := make([]result, len(letters))
	var sending sync.WaitGroup
	for i, letter := range letters {
		sending.Go(func() { results[i] = r.send(ctx, letter) })
	}
	sending.Wait()
	return results
}

func (r *redriver) send(ctx context.Context, letter deadletter.Letter) result {
	if letter.LeftOut != "" {
		return result{letter: letter, outcome: outcomeCannot, err: fmt.Errorf("it was too large to be laid aside whole (left out: %s); the original is at %s for as long as that topic keeps it",
			letter.LeftOut, letter.Origin)}
	}
	event, err := newRedrivenRecord(letter, r.partitions)
	if err != nil {
		return result{letter: letter, outcome: outcomeFailed, err: err}
	}
	done := result{letter: letter, event: event, outcome: outcomeWould}
	if r.dryRun {
		return done
	}
	if err := ctx.Err(); err != nil {
		done.outcome, done.err = outcomeFailed, err
		return done
	}
	ctx, cancel := outlive(ctx, redriveGrace)
	defer cancel()
	ctx, cancelWait := context.WithTimeout(ctx, redriveWithin)
	defer cancelWait()
	switch err := r.publish(ctx, event); {
	case isTooLarge(err):
		done.outcome, done.err = outcomeCannot, fmt.Errorf("it is too large for %s (max.message.bytes)", event.Topic)
	case err != nil:
		done.outcome, done.err = outcomeFailed, err
	default:
		done.outcome = outcomeSent
		if err := r.publish(ctx, deadletter.NewMarker(letter, time.Now())); err != nil {
			done.outcome, done.err = outcomeUnmarked, fmt.Errorf("the next run sends it again: %w", err)
		}
	}
	return done
}

// redriveReport tells what became of each letter, and in the end of all.
type redriveReport struct {
	out    io.Writer
	asJSON bool

	counts          map[outcome]int
	skipped, beyond int // sent through before; more than the limit
}

// add reports results. It returns an error where going on makes no sense.
func (p *redriveReport) add(results []result) error {
	if p.counts == nil {
		p.counts = make(map[outcome]int)
	}
	var failure error
	for _, r := range results {
		p.counts[r.outcome]++
		if r.outcome == outcomeFailed || r.outcome == outcomeUnmarked {
			failure = cmp.Or(failure, r.err)
		}
		write := p.writeText
		if p.asJSON {
			write = p.writeJSON
		}
		if err := write(r); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return failure
}

func (p *redriveReport) writeText(r result) error {
	line := fmt.Sprintf("%-14s  letter %s, order %s", r.outcome, r.letter.ID(), cmp.Or(deadletter.Plain(r.letter.OrderNumber), "-"))
	switch {
	case r.err != nil:
		line += ": " + deadletter.Plain(r.err.Error())
	default:
		line += fmt.Sprintf(": to %s/%d", r.event.Topic, r.event.Partition)
	}
	if r.outcome == outcomeWould {
		v := eventViewOf(r.event)
		line += fmt.Sprintf("\n    value: %d bytes, as the letter has them", v.ValueBytes)
		for _, h := range v.Headers {
			line += "\n    " + h.Name + ": " + cmp.Or(h.Value, "(not shown)")
		}
	}
	_, err := fmt.Fprintln(p.out, line)
	return err
}

// redriveView is a result as programs get it.
type redriveView struct {
	letterView
	Outcome string     `json:"outcome"`
	Error   string     `json:"error,omitempty"`
	Event   *eventView `json:"event,omitempty"`
}

// eventView is the event of a letter. Values of headers that we do not know are not shown: they may be personal.
type eventView struct {
	Topic      string       `json:"topic"`
	Partition  int32        `json:"partition"`
	ValueBytes int          `json:"valueBytes"`
	Headers    []headerView `json:"headers"`
}

type headerView struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

func eventViewOf(event *sarama.ProducerMessage) eventView {
	v := eventView{Topic: event.Topic, Partition: event.Partition, Headers: []headerView{}}
	if event.Value != nil {
		v.ValueBytes = event.Value.Length()
	}
	for _, h := range event.Headers {
		view := headerView{Name: deadletter.Plain(string(h.Key))}
		if isOwnHeader(view.Name) || slices.Contains([]string{"traceparent", "content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"}, view.Name) {
			view.Value = deadletter.Plain(string(h.Value))
		}
		v.Headers = append(v.Headers, view)
	}
	return v
}

func (p *redriveReport) writeJSON(r result) error {
	v := redriveView{letterView: viewOf(r.letter), Outcome: string(r.outcome)}
	if r.err != nil {
		v.Error = deadletter.Plain(r.err.Error())
	}
	if r.event != nil {
		event := eventViewOf(r.event)
		v.Event = &event
	}
	return json.NewEncoder(p.out).Encode(v)
}

// end sums up for people, and returns the command's error: also where a letter could not be sent.
func (p *redriveReport) end(err error) error {
	sum := fmt.Sprintf("%s %s", counted(p.counts[outcomeSent]+p.counts[outcomeUnmarked], "letter"), outcomeSent)
	if n := p.counts[outcomeWould]; n > 0 {
		sum = fmt.Sprintf("%s %s", counted(n, "letter"), outcomeWould)
	}
	if n := p.counts[outcomeCannot]; n > 0 {
		sum += fmt.Sprintf(", %d %s", n, outcomeCannot)
	}
	if p.skipped > 0 {
		sum += fmt.Sprintf(", %d sent before (--again sends them again)", p.skipped)
	}
	if p.beyond > 0 {
		sum += fmt.Sprintf(", %d more than --limit", p.beyond)
	}
	if !p.asJSON {
		fmt.Fprintln(p.out, sum)
	}
	if n := p.counts[outcomeCannot]; err == nil && n > 0 {
		return errors.New(counted(n, "letter") + " cannot be sent")
	}
	return err
}

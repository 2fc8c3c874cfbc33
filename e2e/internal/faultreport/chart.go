package faultreport

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/chaos"
	"github.com/steadfast-shop/steadfast/e2e/internal/faults"
	"github.com/steadfast-shop/steadfast/e2e/internal/history"
)

// Measures of the charts: their drawings are stretched over the width of the page, so that all that lies on the axis of time is in thousandths of it; heights are in pixels.
const (
	chartWidth, chartHeight = 1000, 140
	chartTop                = 8
	barHeight, barGap       = 16, 3
	// leastBar is how wide a fault is drawn at least, so that it can be labelled on a phone, too.
	leastBar    = 50
	mostBuckets = 360
	percent     = 0.1 // of a thousandth
)

// chart is a drawing of one or more lines over time.
type chart struct {
	Name   string
	Note   string
	Height int
	Lines  []line
	Grid   []tick
	Bands  []bar
}

// line is a line, or an area, of a chart.
type line struct {
	Name, Class, Path string
}

// tick is a mark on an axis.
type tick struct {
	At   float64
	Text string
}

// bar is a fault on the axis.
type bar struct {
	X, Width    float64 // in percent of the width
	Y, Number   int
	Class, Text string
}

// strip are all faults, in as many rows as are on at once.
type strip struct {
	Height int
	Bars   []bar
}

// scale turns times into places.
type scale struct{ whole time.Duration }

func (s scale) x(at time.Duration) float64 {
	return chartWidth * min(1, max(0, at.Seconds()/s.whole.Seconds()))
}

// bucket is a slice of the run.
type bucket struct {
	placed, refused, failed int
	took                    []time.Duration
}

// draw draws the charts.
func (p *page) draw(r *faults.Result) {
	whole := r.Duration
	for _, fault := range r.Faults {
		whole = max(whole, fault.Ended)
	}
	width := max(time.Second, (whole / mostBuckets).Round(time.Second))
	buckets := fill(r.Calls, whole, width)
	s := scale{whole}
	p.Strip = newStrip(s, begun(r.Faults))
	perSecond := func(count func(bucket) int) []float64 {
		values := make([]float64, len(buckets))
		for i, b := range buckets {
			values[i] = float64(count(b)) / width.Seconds()
		}
		return values
	}
	p.Charts = []chart{
		newChart(s, width, "Orders a second", "", []series{
			{"placed (201)", "good", perSecond(func(b bucket) int { return b.placed })},
			{"refused (409)", "refused", perSecond(func(b bucket) int { return b.refused })},
		}, 2, "%.0f"),
		newChart(s, width, "Errors a second", "Orders that were answered 503, or not at all. Their clients ask again.", []series{
			{"503 or no answer", "bad", perSecond(func(b bucket) int { return b.failed })},
		}, 2, "%.0f"),
		newChart(s, width, "Seconds to an answer", "Of orders, whatever the answer.", []series{
			{"slowest of 100 (p99)", "slow", quantiles(buckets, 0.99)},
			{"median", "good", quantiles(buckets, 0.5)},
		}, 0.02, "%.3g"),
	}
	bands := newStrip(s, begun(r.Faults)).Bars
	for i := range p.Charts {
		p.Charts[i].Bands = bands
	}
	p.Ticks = timeTicks(s)
}

func fill(calls []history.Call, whole, width time.Duration) []bucket {
	buckets := make([]bucket, int(whole/width)+1)
	for _, call := range calls {
		i := int(call.Ended / width)
		if call.Kind != history.Place || i >= len(buckets) {
			continue
		}
		b := &buckets[i]
		switch call.Answered {
		case http.StatusCreated:
			b.placed++
		case http.StatusConflict:
			b.refused++
		default:
			b.failed++
		}
		b.took = append(b.took, call.Ended-call.Called)
	}
	return buckets
}

// quantiles returns the nearest rank of each bucket, in seconds.
func quantiles(buckets []bucket, q float64) []float64 {
	values := make([]float64, len(buckets))
	for i, b := range buckets {
		if len(b.took) > 0 {
			slices.Sort(b.took)
			values[i] = b.took[min(len(b.took)-1, int(q*float64(len(b.took))))].Seconds()
		}
	}
	return values
}

// series are the values of a line, one for each bucket.
type series struct {
	name, class string
	values      []float64
}

func newChart(s scale, width time.Duration, name, note string, all []series, least float64, format string) chart {
	c := chart{Name: name, Note: note, Height: chartHeight}
	highest := 0.0
	for _, one := range all {
		highest = max(highest, slices.Max(one.values))
	}
	top := niceTop(max(highest, least))
	y := func(value float64) float64 {
		return chartHeight - (chartHeight-chartTop)*value/top
	}
	for _, one := range all {
		var path strings.Builder
		fmt.Fprintf(&path, "M%.1f %.1f", s.x(0), y(0))
		for i, value := range one.values {
			from, to := time.Duration(i)*width, time.Duration(i+1)*width
			fmt.Fprintf(&path, "L%.1f %.1fL%.1f %.1f", s.x(from), y(value), s.x(to), y(value))
		}
		fmt.Fprintf(&path, "L%.1f %.1fZ", s.x(time.Duration(len(one.values))*width), y(0))
		c.Lines = append(c.Lines, line{one.name, one.class, path.String()})
	}
	for _, share := range []float64{0, 0.5, 1} {
		c.Grid = append(c.Grid, tick{At: y(share * top), Text: fmt.Sprintf(format, share*top)})
	}
	return c
}

// niceTop is the next number that is easy to halve.
func niceTop(value float64) float64 {
	for unit := 0.01; ; unit *= 10 {
		for _, step := range []float64{1, 2, 4, 6, 8} {
			if unit*step >= value {
				return unit * step
			}
		}
	}
}

func timeTicks(s scale) []tick {
	step := time.Second
	for _, step = range []time.Duration{5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour} {
		if s.whole/step <= 7 {
			break
		}
	}
	var ticks []tick
	for at := time.Duration(0); at <= s.whole; at += step {
		ticks = append(ticks, tick{s.x(at) * percent, fmt.Sprintf("%d:%02d", int(at.Minutes()), int(at.Seconds())%60)})
	}
	return ticks
}

// newStrip lays the faults out in rows, so that none hides another.
func newStrip(s scale, all []chaos.Fault) strip {
	var ends []float64 // of each row
	var found strip
	for i, fault := range all {
		b := bar{X: s.x(fault.Began) * percent, Number: i + 1, Class: group(fault.Kind), Text: fmt.Sprintf("%d: %v, %s to %s", i+1, fault, clock(fault.Began), clock(fault.Ended))}
		b.Width = s.x(fault.Ended)*percent - b.X
		row := slices.IndexFunc(ends, func(end float64) bool { return end+0.2 < b.X })
		if row < 0 {
			row, ends = len(ends), append(ends, 0)
		}
		ends[row] = b.X + max(leastBar*percent, b.Width)
		b.Y = row * (barHeight + barGap)
		found.Bars = append(found.Bars, b)
	}
	found.Height = max(1, len(ends)) * (barHeight + barGap)
	return found
}

// groups are the colours of faults.
func groups() []string { return []string{"process", "network", "mail", "other"} }

func group(kind chaos.Kind) string {
	switch kind {
	case chaos.Kill, chaos.Freeze, chaos.Roll:
		return "process"
	case chaos.MailBusy, chaos.MailDefer, chaos.MailNo, chaos.MailDrop:
		return "mail"
	case chaos.Poison, chaos.Rebalance, chaos.DiskFull:
		return "other"
	default:
		return "network"
	}
}

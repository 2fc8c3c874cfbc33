package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// registerMetrics shows the protocol's counts at GET /metrics.
func registerMetrics(registry prometheus.Registerer, counts *order.Counts, relay *order.Relay) {
	for _, status := range []order.Status{order.Placed, order.Rejected, order.Cancelled} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        "orders_decided_total",
			Help:        "Decisions that this process has written, by status.",
			ConstLabels: prometheus.Labels{"status": string(status)},
		}, func() float64 { return float64(counts.Decided(status)) }))
	}
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("order_relay_pending", "Decided orders whose event or journal deletion this process still has to bring out.",
		func() float64 { return float64(relay.Pending()) })
	gauge("order_journal_abandoned", "Journal entries older than ORDER_ABANDON_AFTER that the last sweep found. Above 0 for long: a part that is owed something is away.",
		func() float64 { return float64(counts.Abandoned()) })
	gauge("order_journal_oldest_seconds", "Age of the oldest entry that the last sweep found.",
		func() float64 { return counts.Oldest().Seconds() })
	registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "order_sweeps_unread_total", Help: "Sweeps that could not read the journal whole; the other gauges of the journal then keep their last value.",
	}, func() float64 { return float64(counts.Unread()) }))
}

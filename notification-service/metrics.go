package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steadfast-shop/steadfast/notification-service/internal/deadletter"
	"github.com/steadfast-shop/steadfast/notification-service/internal/mail"
)

// metrics counts what the service does. What to alert on: waiting and lag that stay above zero, misconfigured, dead letters.
type metrics struct {
	registry prometheus.Registerer

	sent, repeated, retried, rerouted prometheus.Counter
	deadLetters                       *prometheus.CounterVec
	smtpFailures                      *prometheus.CounterVec
	waiting                           prometheus.Gauge
	lag                               *prometheus.GaugeVec
	ledgerUnreadable                  prometheus.Counter
	misconfigured                     prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		registry.MustRegister(g)
		return g
	}
	m := &metrics{
		registry:         registry,
		sent:             counter("notification_mails_sent_total", "Mails that the SMTP server took."),
		repeated:         counter("notification_mails_repeated_total", "Events whose order was mailed before; no mail was sent."),
		retried:          counter("notification_mails_retried_total", "Mails that the SMTP server put off; their events wait in the retry topic."),
		rerouted:         counter("notification_events_rerouted_total", "Events that came on another partition than their order number belongs to, and were sent on."),
		ledgerUnreadable: counter("notification_ledger_unreadable_total", "Ledger records that are no entry and were skipped."),
		waiting:          gauge("notification_waiting", "Partitions that wait for the SMTP server."),
		misconfigured:    gauge("notification_misconfigured", "1 while the topics do not fit together and nothing is mailed; the log says what to change."),
		deadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "notification_dead_letters_total", Help: "Records sent to the dead-letter topic, by the kind of reason.",
		}, []string{"reason"}),
		smtpFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "notification_smtp_failures_total", Help: "Failed deliveries: unavailable and misconfigured concern the server, deferred and refused one mail.",
		}, []string{"kind"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "notification_lag", Help: "Records not handled yet, by topic and partition that this replica has; those of the retry topic wait for their next try.",
		}, []string{"topic", "partition"}),
	}
	registry.MustRegister(m.deadLetters, m.smtpFailures, m.lag)
	// A series that only appears with its first event has no increase that an alert could see.
	for _, kind := range deadletter.Kinds() {
		m.deadLetters.WithLabelValues(string(kind))
	}
	for _, kind := range []mail.Kind{mail.Unavailable, mail.Misconfigured, mail.Deferred, mail.Refused} {
		m.smtpFailures.WithLabelValues(string(kind))
	}
	return m
}

// showLedgerSize adds a gauge that asks size at each scrape.
func (m *metrics) showLedgerSize(size func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "notification_ledger_entries", Help: "Orders known as mailed, of the partitions that this replica has.",
	}, func() float64 { return float64(size()) }))
}

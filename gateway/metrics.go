package main

import (
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
)

// Policies that reject a request, as the metrics name them.
const (
	policyBreaker   = "breaker"
	policyBulkhead  = "bulkhead"
	policyRateLimit = "rate_limit"
	policyBody      = "body"
)

// metrics count what the policies do, for each upstream.
type metrics struct {
	registry        prometheus.Registerer
	tries           *prometheus.HistogramVec
	retries         *prometheus.CounterVec
	budgetExhausted *prometheus.CounterVec
	rejections      *prometheus.CounterVec
	fallbacks       *prometheus.CounterVec
	clientsGone     *prometheus.CounterVec
	cutOff          *prometheus.CounterVec
	transitions     *prometheus.CounterVec
	inFlight        *prometheus.GaugeVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"upstream"}, labels...))
		registry.MustRegister(vec)
		return vec
	}
	m := &metrics{
		registry: registry,
		tries: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gateway_try_duration_seconds",
			Help:    "Duration of tries, to the answer's headers or to the end of a small answer, by outcome: the status class, timeout, connection, truncated or client_gone.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 3},
		}, []string{"upstream", "outcome"}),
		retries:         counter("gateway_retries_total", "Tries after a request's first."),
		budgetExhausted: counter("gateway_retry_budget_exhausted_total", "Retries that were not made because too many were under way."),
		rejections:      counter("gateway_rejections_total", "Requests, or retries, that a policy kept from the upstream.", "policy"),
		fallbacks:       counter("gateway_fallbacks_total", "Requests answered 503 in the upstream's place."),
		clientsGone:     counter("gateway_clients_gone_total", "Requests whose client went away before the answer."),
		cutOff:          counter("gateway_answers_cut_off_total", "Answers that the upstream did not finish after a part had gone to the client."),
		transitions:     counter("gateway_breaker_transitions_total", "Changes of the circuit breakers' state.", "calls", "to"),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_requests_in_flight", Help: "Requests that hold a place in the bulkhead.",
		}, []string{"upstream"}),
	}
	registry.MustRegister(m.tries, m.inFlight)
	return m
}

// breaker returns a circuit breaker whose state and transitions are seen. calls is what passes through it: reads or writes.
func (m *metrics) breaker(upstream, calls string, p breakerPolicy) *breaker {
	b := newBreaker(p, func(state circuitbreaker.State) {
		m.transitions.WithLabelValues(upstream, calls, state.String()).Inc()
	})
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "gateway_breaker_state",
		Help:        "State of a circuit breaker: 0 closed, 1 half-open, 2 open.",
		ConstLabels: prometheus.Labels{"upstream": upstream, "calls": calls},
	}, b.level))
	return b
}

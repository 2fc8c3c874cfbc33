package main

import (
	"net/netip"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/ratelimiter"
)

// mostClients bounds the memory of the rate limit: two generations of so many clients, about 200 bytes each.
const mostClients = 65_536

// longestPeriod bounds the time in which a client has its full number of requests again.
const longestPeriod = 24 * time.Hour

// rateLimit gives every client a number of requests in each period. It forgets clients that made none for a whole period, since they would have their full number again.
type rateLimit struct {
	burst  uint
	period time.Duration
	most   int // clients in a generation

	mu       sync.Mutex
	turned   time.Time
	current  map[netip.Prefix]ratelimiter.RateLimiter[any]
	previous map[netip.Prefix]ratelimiter.RateLimiter[any]
}

// newRateLimit returns a limit of perSecond requests on average and burst at once; nil, which lets all pass, where perSecond is 0.
func newRateLimit(perSecond float64, burst int) *rateLimit {
	if perSecond == 0 {
		return nil
	}
	return &rateLimit{
		burst:   uint(burst),
		period:  time.Duration(float64(burst) / perSecond * float64(time.Second)),
		most:    mostClients,
		turned:  time.Now(),
		current: make(map[netip.Prefix]ratelimiter.RateLimiter[any]),
	}
}

// allow takes one request of the client's number. Where none is left, it returns false and the time after which there are some again.
func (l *rateLimit) allow(client netip.Addr) (bool, time.Duration) {
	if l == nil {
		return true, 0
	}
	return l.limiterOf(client).TryAcquirePermit(), l.period
}

func (l *rateLimit) limiterOf(client netip.Addr) ratelimiter.RateLimiter[any] {
	key := clientKey(client)
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.turned) >= l.period || len(l.current) >= l.most {
		l.previous, l.current, l.turned = l.current, make(map[netip.Prefix]ratelimiter.RateLimiter[any]), time.Now()
	}
	limiter, known := l.current[key]
	if !known {
		if limiter, known = l.previous[key]; !known {
			limiter = ratelimiter.NewBursty[any](l.burst, l.period)
		}
		l.current[key] = limiter
	}
	return limiter
}

// clientKey takes an IPv6 network of 64 bits as one client: that is what one subscriber has.
func clientKey(client netip.Addr) netip.Prefix {
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	key, err := client.Prefix(bits)
	if err != nil { // the zero address, of a peer that is not on TCP/IP
		return netip.Prefix{}
	}
	return key
}

package mail

import (
	netmail "net/mail"
	"testing"
	"time"
)

// BenchmarkCompose writes the mail of an order of one line.
func BenchmarkCompose(b *testing.B) {
	c, err := newComposer(&netmail.Address{Name: "Shop", Address: "orders@shop.example"})
	if err != nil {
		b.Fatal(err)
	}
	order, now := testOrder("ORD-1"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.compose(order, now); err != nil {
			b.Fatal(err)
		}
	}
}

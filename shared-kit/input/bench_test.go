package input_test

import (
	"testing"

	"github.com/steadfast-shop/steadfast/shared-kit/input"
)

// BenchmarkParseObject reads an order's body.
func BenchmarkParseObject(b *testing.B) {
	data := []byte(`{"orderNumber":"ORD-001","skuCode":"SKU001","price":29.99,"quantity":2,` +
		`"userDetails":{"userId":"user123","email":"user@example.com","firstName":"John","lastName":"Doe"}}`)
	b.ReportAllocs()
	for b.Loop() {
		var faults input.Faults
		o, _ := input.ParseObject(data, &faults)
		o.Text("orderNumber", input.MaxID)
		o.Text("skuCode", input.MaxID)
		o.Number("price")
		o.Int("quantity", 1, 9)
		customer, _ := o.Object("userDetails")
		for _, name := range []string{"userId", "email", "firstName", "lastName"} {
			customer.Text(name, input.MaxID)
		}
		customer.End()
		o.End()
		if wrong := faults.Problem(); wrong != nil {
			b.Fatal(wrong.Faults)
		}
	}
}

// Package event reads the events that this service acts on. It is the one place that knows what an event must hold before a mail can be made of it.
package event

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/steadfast-shop/steadfast/shared-kit/input"
	eventsv1 "github.com/steadfast-shop/steadfast/shared-proto/events/v1"
)

// Limits of the contract (events.v1), and of RFC 5321 for the address.
const (
	maxName    = 128
	maxLines   = 1000
	maxAddress = 254
)

// Decode reads an OrderPlaced from its JSON. Unknown fields are skipped, so that a newer producer does not stop us. Only what the mail needs is checked; an error names every
// fault, and never a value, since values are personal.
func Decode(value []byte) (*eventsv1.OrderPlaced, error) {
	if len(value) == 0 {
		return nil, errors.New("the record has no value")
	}
	order := &eventsv1.OrderPlaced{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(value, order); err != nil {
		return nil, errors.New("the value is not an events.v1.OrderPlaced in JSON") // protojson's own text quotes the value
	}
	var faults []error
	add := func(field, wrong string) {
		if wrong != "" {
			faults = append(faults, fmt.Errorf("%s %s", field, wrong))
		}
	}
	add("orderNumber", input.CheckText(order.GetOrderNumber(), input.MaxID))
	add("customer.email", checkAddress(order.GetCustomer().GetEmail()))
	add("customer.firstName", checkOptional(order.GetCustomer().GetFirstName()))
	add("customer.lastName", checkOptional(order.GetCustomer().GetLastName()))
	add("lines", checkLines(order.GetLines()))
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return order, nil
}

// OrderNumber returns the order number of an event that is readable at least as far as that, else "".
func OrderNumber(value []byte) string {
	order := &eventsv1.OrderPlaced{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(value, order); err != nil {
		return ""
	}
	if number := order.GetOrderNumber(); input.CheckText(number, input.MaxID) == "" {
		return number
	}
	return ""
}

func checkOptional(name string) string {
	if name == "" {
		return ""
	}
	return input.CheckText(name, maxName)
}

func checkLines(lines []*eventsv1.OrderLine) string {
	if len(lines) == 0 || len(lines) > maxLines {
		return fmt.Sprintf("must be 1 to %d", maxLines)
	}
	for i, line := range lines {
		switch wrong := input.CheckText(line.GetSkuCode(), input.MaxID); {
		case wrong != "":
			return fmt.Sprintf("[%d].skuCode %s", i, wrong)
		case line.GetQuantity() < 1:
			return fmt.Sprintf("[%d].quantity must be at least 1", i)
		case line.GetUnitPriceMinor() < 0:
			return fmt.Sprintf("[%d].unitPriceMinor must not be negative", i)
		}
	}
	return ""
}

// checkAddress takes a bare address only: net/mail would also read "Name <address>" and <address>, which an SMTP envelope cannot carry as they are.
func checkAddress(address string) string {
	if wrong := input.CheckText(address, maxAddress); wrong != "" {
		return wrong
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Name != "" || strings.HasPrefix(address, "<") || strings.TrimSpace(address) != address {
		return "must be an e-mail address without a display name"
	}
	return ""
}

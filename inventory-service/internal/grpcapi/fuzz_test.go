package grpcapi

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/steadfast-shop/steadfast/inventory-service/internal/stock"
	inventoryv1 "github.com/steadfast-shop/steadfast/shared-proto/inventory/v1"
)

// FuzzReserve reads any bytes as a request. The lines that reach the rules are in their one form and ask for what was asked for; a refusal names each field that is wrong.
func FuzzReserve(f *testing.F) {
	for _, request := range []*inventoryv1.ReserveRequest{
		{},
		{ReservationId: "R1", Lines: []*inventoryv1.Line{{SkuCode: "B", Quantity: 1}, {SkuCode: "A", Quantity: stock.MaxUnits}, {SkuCode: "B", Quantity: 2}}},
		{ReservationId: "R\x00", Lines: []*inventoryv1.Line{{SkuCode: " ", Quantity: -1}, nil}},
		{ReservationId: strings.Repeat("ü", 128), Lines: []*inventoryv1.Line{{SkuCode: "A", Quantity: stock.MaxUnits + 1}}},
	} {
		wire, err := proto.Marshal(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var request inventoryv1.ReserveRequest
		if proto.Unmarshal(wire, &request) != nil {
			return // gRPC answers that itself
		}
		lines, err := readReserve(&request)
		if err != nil {
			checkViolations(t, err)
			return
		}
		checkID(t, request.GetReservationId())
		asked := make(map[string]int64)
		for _, line := range request.GetLines() {
			checkID(t, line.GetSkuCode())
			asked[line.GetSkuCode()] += line.GetQuantity()
		}
		if len(request.GetLines()) > stock.MaxLines || lines.Len() != len(asked) {
			t.Errorf("%d lines became %d; want %d", len(request.GetLines()), lines.Len(), len(asked))
		}
		last := ""
		for line := range lines.All() {
			if line.SKUCode <= last || line.Quantity < 1 || line.Quantity != asked[line.SKUCode] {
				t.Errorf("got %+v after %q; want %d", line, last, asked[line.SKUCode])
			}
			last = line.SKUCode
		}
	})
}

func checkID(t *testing.T, id string) {
	t.Helper()
	if n := utf8.RuneCountInString(id); n > 128 || strings.TrimSpace(id) == "" || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		t.Errorf("the id %q was taken", id)
	}
}

func checkViolations(t *testing.T, err error) {
	t.Helper()
	refused := status.Convert(err)
	if refused.Code() != codes.InvalidArgument || len(refused.Details()) != 1 {
		t.Fatalf("got %v with %v", err, refused.Details())
	}
	bad, ok := refused.Details()[0].(*errdetails.BadRequest)
	if !ok || len(bad.GetFieldViolations()) == 0 {
		t.Fatalf("got the details %v", refused.Details())
	}
	for _, violation := range bad.GetFieldViolations() {
		if violation.GetField() == "" || violation.GetDescription() == "" {
			t.Errorf("the violation %v says nothing", violation)
		}
	}
}

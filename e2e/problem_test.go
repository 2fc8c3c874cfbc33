package e2e_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// problemBody is an error as RFC 9457 and the design have it.
type problemBody struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Faults []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"faults"`
}

// wantProblem fails the test unless the answer is a problem with this status and code, and with faults in exactly these fields.
func wantProblem(t *testing.T, answer shop.Answer, status int, code string, fields ...string) {
	t.Helper()
	var body problemBody
	if err := json.Unmarshal([]byte(answer.Body), &body); err != nil {
		t.Errorf("got %s; want a problem %d %s", answer, status, code)
		return
	}
	got := make([]string, len(body.Faults))
	for i, fault := range body.Faults {
		got[i] = fault.Field
		if fault.Message == "" {
			t.Errorf("the fault of %q has no message", fault.Field)
		}
	}
	slices.Sort(got)
	slices.Sort(fields)
	if answer.Status != status || body.Status != status || body.Code != code || body.Title == "" ||
		answer.Header.Get("Content-Type") != "application/problem+json" || !slices.Equal(got, fields) {
		t.Errorf("got %s; want a problem %d %s with faults in %q", answer, status, code, fields)
	}
}

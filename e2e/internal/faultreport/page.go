package faultreport

import "github.com/steadfast-shop/steadfast/e2e/internal/faults"

// WritePage writes the report as a page.
func WritePage(string, *faults.Result) error { return nil }

package stock

import (
	"cmp"
	"iter"
	"slices"
)

// Line is a quantity of one SKU.
type Line struct {
	SKUCode  string
	Quantity int64
}

// Lines is what a reservation asks for, in its one canonical form: each SKU once, sorted by SKU, so that equal demands compare equal and every repository
// locks SKUs in the same order.
type Lines struct{ sorted []Line }

// NewLines adds up lines with the same SKU and sorts them.
func NewLines(lines ...Line) Lines {
	sorted := slices.SortedFunc(slices.Values(lines), func(a, b Line) int { return cmp.Compare(a.SKUCode, b.SKUCode) })
	merged := sorted[:0]
	for _, line := range sorted {
		if last := len(merged) - 1; last >= 0 && merged[last].SKUCode == line.SKUCode {
			merged[last].Quantity += line.Quantity
			continue
		}
		merged = append(merged, line)
	}
	return Lines{merged}
}

// All yields the lines in the order of their SKUs.
func (l Lines) All() iter.Seq[Line] { return slices.Values(l.sorted) }

// Len counts the SKUs.
func (l Lines) Len() int { return len(l.sorted) }

// Equal tells whether both ask for the same.
func (l Lines) Equal(other Lines) bool { return slices.Equal(l.sorted, other.sorted) }

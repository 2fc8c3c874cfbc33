package stock

// State is the fate of a reservation id.
type State string

// The fates. Reserved may become Released; nothing else ever changes.
const (
	// Reserved means that the units of every line are held.
	Reserved State = "reserved"
	// Refused means that a SKU was unknown or short; nothing is held.
	Refused State = "refused"
	// Released means that nothing is held, and nothing ever will be.
	Released State = "released"
)

// Reservation is what is recorded for a reservation id.
type Reservation struct {
	ID    string
	State State
	// Lines is what was asked for; nothing where the id was released before it was ever reserved.
	Lines Lines
}

// Reserve decides a new reservation: all lines are taken or none. available tells the units of a SKU; an unknown one has none.
func Reserve(id string, lines Lines, available func(skuCode string) int64) Reservation {
	for line := range lines.All() {
		if available(line.SKUCode) < line.Quantity {
			return Reservation{ID: id, State: Refused, Lines: lines}
		}
	}
	return Reservation{ID: id, State: Reserved, Lines: lines}
}

// Answer is what a Reserve with the lines asked hears from the record: its state, or ErrOtherLines. A released id answers so whatever is asked, since the
// record that a Release leaves for an unknown id has no lines to compare.
func (r Reservation) Answer(asked Lines) (State, error) {
	if r.State != Released && !r.Lines.Equal(asked) {
		return "", ErrOtherLines
	}
	return r.State, nil
}

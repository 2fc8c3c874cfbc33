package histories

// fault is a rule that the code or what it stands on breaks on purpose.
type fault struct {
	name   string
	breaks []string // the invariants by which it may be found
	ports  func(p *process, right ports) ports
	stock  func(right stock) stock
}

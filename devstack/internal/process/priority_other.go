//go:build !linux

package process

// Elsewhere priorities belong to processes, and this process must keep its own.
func lowerPriority() {}

func lowerSessionPriority(int) {}

//go:build race

package e2e_test

// raceDetector says that the services are to be built with the race detector, as this test is.
const raceDetector = true

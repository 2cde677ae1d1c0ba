//go:build !cgo

package enginetest

// mattn is SQLite through cgo, which is not there.
func mattn() []Engine { return nil }

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme holds the README's ten lines to this program, which compiles.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	shown := regexp.MustCompile("(?s)## Ten lines\n\n```go\n(.*?)```\n\n```\n(.*?)```").FindStringSubmatch(string(readme))
	require.Len(t, shown, 3, "the README shows the ten lines, and their output")
	program, err := os.ReadFile("main.go")
	require.NoError(t, err)
	unindented := regexp.MustCompile(`(?m)^\t`).ReplaceAllString(string(program), "")
	require.Contains(t, unindented, shown[1])

	old := os.Stdout
	read, write, err := os.Pipe()
	require.NoError(t, err)
	os.Stdout = write
	main()
	os.Stdout = old
	require.NoError(t, write.Close())
	var out strings.Builder
	_, err = read.WriteTo(&out)
	require.NoError(t, err)
	require.Equal(t, shown[2], out.String())
}

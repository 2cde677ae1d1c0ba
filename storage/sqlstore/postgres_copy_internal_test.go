package sqlstore

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Connections that are no pgx's, though some of the methods are there.
type (
	noCopy     struct{}
	nilConn    struct{}
	valueConn  struct{}
	otherConn  struct{}
	otherCopy  struct{}
	likePgx    struct{ copied *string }
	likePgConn struct{ copied *string }
)

func (nilConn) Conn() *likePgConn        { return nil }
func (valueConn) Conn() int              { return 1 }
func (otherConn) Conn(int) *otherCopy    { return &otherCopy{} }
func (c *otherCopy) Conn() *otherCopy    { return c }
func (c *otherCopy) PgConn() *otherCopy  { return c }
func (*otherCopy) CopyFrom(string) error { return nil }
func (c *likePgx) Conn() *likePgx        { return c }
func (c *likePgx) PgConn() *likePgConn   { return (*likePgConn)(c) }
func (c *likePgConn) CopyFrom(_ context.Context, rows io.Reader, statement string) (int, error) {
	text, err := io.ReadAll(rows)
	*c.copied = statement + ": " + string(text)
	return 0, err
}

func TestCopyFromKnowsPgxOnly(t *testing.T) {
	for _, driver := range []any{nil, 1, noCopy{}, nilConn{}, valueConn{}, otherConn{}, &otherCopy{}} {
		require.Nil(t, copyFrom(driver), "%T", driver)
	}
	copied := ""
	from := copyFrom(&likePgx{&copied})
	require.NotNil(t, from)
	require.NoError(t, from(t.Context(), strings.NewReader("rows"), "COPY t FROM STDIN"))
	require.Equal(t, "COPY t FROM STDIN: rows", copied)
	require.ErrorIs(t, from(t.Context(), iotest.ErrReader(io.ErrNoProgress), ""), io.ErrNoProgress)
}

func TestCopiedRowsAreReadWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOf(rapid.String()).Draw(t, "rows")
		reader := rowsToCopy(rows, func(to []byte, row string) ([]byte, error) { return append(appendCopied(to, row), '\n'), nil })
		read, err := io.ReadAll(iotest.OneByteReader(reader))
		require.NoError(t, err)
		require.Equal(t, len(rows), strings.Count(string(read), "\n"))
		back := strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r")
		for _, row := range rows {
			line, rest, _ := strings.Cut(string(read), "\n")
			require.NotContains(t, line, "\t")
			require.NotContains(t, line, "\r")
			require.Equal(t, row, back.Replace(line))
			read = []byte(rest)
		}
	})
}

// TestCopiedRowsStop: what still reads after the end of a COPY gets no row that its
// caller may have changed meanwhile.
func TestCopiedRowsStop(t *testing.T) {
	reader := rowsToCopy([]string{"a", "b"}, func(to []byte, row string) ([]byte, error) { return append(to, row...), nil })
	one := make([]byte, 1)
	_, err := reader.Read(one)
	require.NoError(t, err)
	reader.stop()
	_, err = reader.Read(one)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

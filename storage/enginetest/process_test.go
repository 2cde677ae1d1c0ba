package enginetest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A test that needs other processes starts its own binary again, with the
// names of a role and an engine, and a DSN, in the environment. A process says on its standard output
// where it stands, and waits for its standard input to be closed.
const (
	roleEnv   = "VOUCH_ENGINETEST_ROLE"
	engineEnv = "VOUCH_ENGINETEST_ENGINE"
	dsnEnv    = "VOUCH_ENGINETEST_DSN"
)

// roles are what a process started by a test can do.
var roles = map[string]func(e Engine, dsn string) error{
	"migrate": migrateProcess,
	"operate": operateProcess,
	"write":   writeProcess,
	"deliver": deliverProcess,
}

func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		os.Exit(runTests(m))
	}
	for _, e := range Engines() {
		if e.Name != os.Getenv(engineEnv) {
			continue
		}
		if err := roles[role](e, os.Getenv(dsnEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// start starts one, with more of an environment where its role wants that.
func start(t *testing.T, e Engine, role, dsn string, more ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, engineEnv+"="+e.Name, dsnEnv+"="+dsn)
	cmd.Env = append(cmd.Env, more...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return &process{cmd, in, bufio.NewScanner(out)}
}

// hears waits for a line of the process's output.
func (p *process) hears(t *testing.T, line string) {
	t.Helper()
	require.True(t, p.out.Scan(), "the process ended: %v", p.out.Err())
	require.Equal(t, line, p.out.Text())
}

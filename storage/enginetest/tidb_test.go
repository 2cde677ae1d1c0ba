package enginetest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// runTests runs the tests, and beside them the tidb-server whose path VOUCH_TIDB_SERVER
// gives. All that runs on every engine runs on it too.
func runTests(m *testing.M) int {
	program := os.Getenv("VOUCH_TIDB_SERVER")
	if program == "" {
		return m.Run()
	}
	stop, err := startTiDB(program)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()
	return m.Run()
}

// startTiDB starts it with its data in a new folder, waits until it answers, and has
// VOUCH_TIDB name it.
func startTiDB(program string) (stop func(), err error) {
	folder, err := os.MkdirTemp("", "vouch-tidb-")
	if err != nil {
		return nil, err
	}
	port, err := localPort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-store", "unistore", "-path", filepath.Join(folder, "data"), "-temp-dir", folder,
		"-host", "127.0.0.1", "-P", port, "-socket", "", "-report-status=false", "-L", "error", "-log-file", filepath.Join(folder, "log"), "-log-slow-query", filepath.Join(folder, "slow"))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(folder)
	}
	dsn := "root@tcp(127.0.0.1:" + port + ")/"
	if err := answers(dsn); err != nil {
		stop()
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return stop, os.Setenv("VOUCH_TIDB", dsn)
}

func localPort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// answers waits for a server to answer.
func answers(dsn string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for pause := time.Tick(50 * time.Millisecond); ; {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-pause:
		case <-ctx.Done():
			return err
		}
	}
}

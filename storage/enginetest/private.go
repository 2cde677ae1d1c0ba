package enginetest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Server is a database server of a test's own, with the settings it asks for. It
// is stopped, and all its data removed, after the test.
type Server struct {
	Process *os.Process
	DSN     string // of its superuser, as usual's engine of the same name takes it
	again   func() *os.Process
}

// Crash kills it, with all processes it has started, as kill -9 does.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	all := []int{s.Process.Pid}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", s.Process.Pid))
	require.NoError(t, err)
	for _, child := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(child)
		require.NoError(t, err)
		all = append(all, pid)
	}
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL) // a child may have ended by itself
	}
	for pause := time.Tick(10 * time.Millisecond); slices.ContainsFunc(all, alive); {
		<-pause
	}
}

// alive: a process that has ended may wait for its parent to hear of it.
func alive(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(state), ") Z ")
}

// Start starts it again on the same data, and waits until it answers.
func (s *Server) Start() { s.Process = s.again() }

// PrivatePostgres starts PostgreSQL with settings like "fsync=off". It calls
// Absent where it is not installed.
func PrivatePostgres(t testing.TB, settings ...string) Server {
	t.Helper()
	folder, owner := ownedFolder(t, "postgres")
	run(t, owner, installed(t, "initdb", "/usr/lib/postgresql/*/bin/initdb"), "-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	port := freePort(t)
	args := []string{"-D", folder, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + folder}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	dsn := "postgres://postgres@127.0.0.1:" + port + "/postgres?sslmode=disable"
	return newServer(dsn, func() *os.Process {
		return startServer(t, owner, "pgx", dsn, installed(t, "postgres", "/usr/lib/postgresql/*/bin/postgres"), args...)
	})
}

// PrivateMariaDB starts MariaDB with settings like "sync-binlog=0". It calls Absent
// where it is not installed.
func PrivateMariaDB(t testing.TB, settings ...string) Server {
	t.Helper()
	folder, owner := ownedFolder(t, "mysql")
	data := filepath.Join(folder, "data")
	run(t, owner, installed(t, "mariadb-install-db"), "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	port := freePort(t)
	args := []string{
		"--no-defaults", "--datadir=" + data, "--port=" + port, "--bind-address=127.0.0.1", "--socket=" + filepath.Join(folder, "s"),
		"--pid-file=" + filepath.Join(folder, "pid"),
	}
	for _, s := range settings {
		args = append(args, "--"+s)
	}
	dsn := "root@tcp(127.0.0.1:" + port + ")/mysql"
	return newServer(dsn, func() *os.Process {
		return startServer(t, owner, "mysql", dsn, installed(t, "mariadbd", "/usr/sbin/mariadbd"), args...)
	})
}

func newServer(dsn string, start func() *os.Process) Server { return Server{start(), dsn, start} }

// installed finds a program, among other places where Debian keeps the servers'.
func installed(t testing.TB, program string, elsewhere ...string) string {
	t.Helper()
	for _, pattern := range elsewhere {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		if len(found) > 0 {
			return slices.Max(found)
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		Absent(t, program)
	}
	return path
}

// ownedFolder is a new folder, and who runs the server in it: the servers refuse to
// run as root, for whom it is Debian's user.
func ownedFolder(t testing.TB, name string) (string, *syscall.Credential) {
	t.Helper()
	folder, err := os.MkdirTemp("", "vouch-"+name+"-") // not t.TempDir, whose path is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { // a killed server's children may write for a moment more
		require.Eventually(t, func() bool { return os.RemoveAll(folder) == nil }, time.Minute, 50*time.Millisecond)
	})
	if os.Getuid() != 0 {
		return folder, nil
	}
	owner, err := user.Lookup(name)
	if err != nil {
		Absent(t, "the user "+name)
	}
	uid, err := strconv.ParseUint(owner.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(owner.Gid, 10, 32)
	require.NoError(t, err)
	require.NoError(t, os.Chown(folder, int(uid), int(gid)))
	return folder, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func run(t testing.TB, owner *syscall.Credential, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", program, out)
}

// startServer starts it and waits until it answers.
func startServer(t testing.TB, owner *syscall.Credential, driver, dsn, program string, args ...string) *os.Process {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT) // which ends PostgreSQL's children too
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for pause := time.NewTicker(50 * time.Millisecond); ; {
		if err = db.PingContext(ctx); err == nil {
			pause.Stop()
			return cmd.Process
		}
		select {
		case <-pause.C:
		case early := <-ended:
			ended <- early
			require.FailNow(t, fmt.Sprintf("%s has ended: %v", program, early))
		case <-ctx.Done():
			require.NoError(t, err, program)
		}
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

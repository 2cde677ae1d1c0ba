package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/vouch-go/vouch/ledger"
	"github.com/vouch-go/vouch/storage"
	"github.com/vouch-go/vouch/storage/memory"
)

func ExampleJournal() {
	ctx, store := context.Background(), memory.New()
	book := ledger.New(store, ledger.Options{})
	_, err := book.Post(ctx, ledger.Entry{
		ID: "redeemed/1001", Kind: "redemption", At: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Subject: "jane",
		Transfers: []ledger.Transfer{{From: "promotions/platform", To: "discounts/welcome", Amount: ledger.MustMoney("4.50", ledger.MustCurrency("EUR"))}},
	})
	if err == nil {
		err = ledger.Journal(ctx, store, os.Stdout)
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// commodity 1.00 EUR
	//
	// account promotions:platform
	//
	// account discounts:welcome
	//
	// 2026-11-20 (redeemed/1001) redemption
	//     ; at:2026-11-20T12:00:00Z
	//     ; subject:jane
	//     promotions:platform  -4.50 EUR
	//     discounts:welcome  4.50 EUR
}

func journalOf(t require.TestingT, entries []ledger.Entry) string {
	ctx, store := context.Background(), memory.New()
	book := ledger.New(store, ledger.Options{})
	for _, e := range entries {
		_, err := book.Post(ctx, e)
		require.NoError(t, err)
	}
	requireSound(t, store)
	var text bytes.Buffer
	require.NoError(t, ledger.Journal(ctx, store, &text))
	return text.String()
}

// hledgerCheck lets the real hledger check a journal.
func hledgerCheck(t require.TestingT, program, dir, journal string) {
	file := filepath.Join(dir, "book.journal")
	require.NoError(t, os.WriteFile(file, []byte(journal), 0o600))
	for _, checks := range [][]string{{"check"}, {"check", "--strict"}, {"check", "ordereddates"}} {
		command := exec.Command(program, append([]string{"-f", file}, checks...)...)
		command.Env = append(os.Environ(), "LC_ALL=C")
		output, err := command.CombinedOutput()
		require.NoError(t, err, "%v: %s\n%s", checks, output, journal)
	}
}

func hledger(t *testing.T) string {
	program, err := exec.LookPath("hledger")
	if err == nil {
		return program
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("hledger is not installed, and CI must check journals with it: apt-get install hledger")
	}
	t.Skip("hledger is not installed: apt-get install hledger to check journals with it")
	return ""
}

func TestHledgerAcceptsHostileTexts(t *testing.T) {
	program, dir := hledger(t), t.TempDir()
	hostile := []string{
		"double  blank", "semi;colon", "col:on", "(virtual)", "[virtual]", "* starred", "! marked", "tab\tbed", "new\nline", "\"quoted\"",
		"é ü 🎟️", "= 5 EUR", "@ 3 USD", "-5.00 EUR", "5", "%20", "%", "|pipe", "~ monthly", "; comment", "# comment", "{lot}", "<b>", "\\", "$", "€",
		"account x", "end comment", "2026-01-01", "a, b:c", "include /etc/passwd", "'", "\u00a0nbsp\u00a0x", "\u202eright to left", "*", "-", "+", ".", "_",
	}
	points, err := ledger.Unit("P2", 0)
	require.NoError(t, err)
	var entries []ledger.Entry
	for i, text := range hostile {
		e := ledger.Entry{
			ID: fmt.Sprint(i, "/", text), Kind: text, At: noon.Add(time.Duration(i) * time.Hour), Actor: text, Subject: text, Concerns: text,
			Details: map[string]string{text: text},
		}
		for _, account := range []ledger.Account{ledger.Account("a" + text + "b"), ledger.Account("x/" + text + "y/z")} {
			e.Transfers = append(e.Transfers,
				ledger.Transfer{From: account, To: "sales", Amount: euros("1.00")},
				ledger.Transfer{From: account, To: "sales", Amount: ledger.MustMoney("5", ledger.MustCurrency("JPY"))},
				ledger.Transfer{From: account, To: "sales", Amount: ledger.MustMoney("0.001", ledger.MustCurrency("BHD"))},
				ledger.Transfer{From: "sales", To: account, Amount: ledger.Minor(9_000_000_000_000_000, points)})
		}
		entries = append(entries, e, ledger.Entry{ID: fmt.Sprint("note", i), Kind: "note", At: e.At, Subject: text})
		if ledger.Account(text) != "" {
			bare := ledger.Entry{ID: fmt.Sprint("bare", i), Kind: "x", At: e.At, Transfers: []ledger.Transfer{transfer(ledger.Account(text), "sales", "1.00")}}
			if _, err := bare.Batch(); err == nil {
				entries = append(entries, bare)
			}
		}
	}
	hledgerCheck(t, program, dir, journalOf(t, entries))
}

func TestHledgerAcceptsAnyJournal(t *testing.T) {
	program, dir := hledger(t), t.TempDir()
	var all []string
	rapid.Check(t, func(t *rapid.T) { // drawn here, checked once: a process for each is slow
		text := rapid.StringN(1, 20, 40)
		e := drawEntry(t, fmt.Sprint(len(all)))
		e.Kind, e.Subject = "k"+text.Draw(t, "kind"), text.Draw(t, "subject")
		account := ledger.Account("a/" + text.Draw(t, "account"))
		e.Transfers = append(e.Transfers, transfer(account, "sales", "1.00"))
		if _, err := e.Batch(); errors.Is(err, ledger.ErrInvalid) {
			return // a NUL, an empty part
		}
		all = append(all, journalOf(t, []ledger.Entry{e}))
	})
	var joined bytes.Buffer
	for _, journal := range all {
		joined.WriteString(journal)
	}
	file := filepath.Join(dir, "all.journal")
	require.NoError(t, os.WriteFile(file, joined.Bytes(), 0o600))
	output, err := exec.Command(program, "-f", file, "check", "--strict").CombinedOutput()
	require.NoError(t, err, string(output))
}

// Letters and digits stay as they are, their neighbours in ASCII do not.
func TestJournalEscapes(t *testing.T) {
	entry := ledger.Entry{ID: "1", Kind: "note", At: noon, Transfers: []ledger.Transfer{transfer("azAZ09", "`{@[:", "1.00")}}
	journal := journalOf(t, []ledger.Entry{entry})
	assert.Contains(t, journal, " azAZ09 ")
	assert.Contains(t, journal, " %60%7B%40%5B%3A ")
}

func TestJournalTellsAWritersError(t *testing.T) {
	ctx, store := context.Background(), audited(t)
	_, err := ledger.New(store, ledger.Options{}).Post(ctx, ledger.Entry{ID: "1", Kind: "note", At: noon})
	require.NoError(t, err)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, errors.Join(reader.Close(), writer.Close()))
	require.ErrorIs(t, ledger.Journal(ctx, store, writer), os.ErrClosed)
	require.ErrorIs(t, ledger.Journal(ctx, &brokenStore{store}, &bytes.Buffer{}), errBroken)
}

var errBroken = errors.New("the database is closed")

// brokenStore fails every call.
type brokenStore struct{ storage.Store }

func (*brokenStore) Get(context.Context, []storage.Key, ...string) ([]storage.Doc, map[string]int64, error) {
	return nil, nil, errBroken
}
func (*brokenStore) List(context.Context, storage.Query) (storage.Page, error) {
	return storage.Page{}, errBroken
}
func (*brokenStore) Apply(context.Context, storage.Batch) error { return errBroken }

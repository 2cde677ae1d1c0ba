// Replay feeds real shops' histories to the library, as if their customers had
// shopped with it, and proves at the end that the books agree to the cent.
//
//	go run ./examples/replay -data ../shared/data
//
// The sets:
//   - journey: 84.51°'s Complete Journey, real coupon campaigns and redemptions of
//     a grocery chain. What was redeemed there must be accepted here.
//   - olist: orders of a Brazilian marketplace, with a percentage that some
//     sellers take no part in.
//   - ukretail: UCI Online Retail, a year of a British gift shop, with a referral
//     program laid over it.
//
// Without the data it replays small generated sets through the same code.
//
// With -whatif it asks, once ukretail has been replayed, what another program would
// have given for the same year, and prints it beside what was given; nothing is
// written. The file holds a program as [referral.ParseProgram] reads it, with the id
// gift-shop; testdata/whatif.json is one, which gives both sides credit two weeks after
// the friend's first purchase, for at most two friends:
//
//	go run ./examples/replay -set ukretail -whatif examples/replay/testdata/whatif.json
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // the shops' time zones, on machines that have none

	"github.com/vouch-go/vouch/referral"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// set is a history that can be replayed.
type set struct {
	name     string
	replay   func(context.Context, *session, source) (*report, error)
	generate func() tables // a small one like it
}

func allSets() []set {
	return []set{
		{"journey", replayJourney, generateJourney},
		{"olist", replayOlist, generateOlist},
		{"ukretail", replayRetail, generateRetail},
	}
}

// session is what the replays of one run share.
type session struct {
	stores   *stores
	progress *progress
	journal  func(set string) (io.WriteCloser, error) // where the book of a set is exported; nil: nowhere
	whatIf   *referral.Program                        // what is tried over the referrals of a set; nil: nothing
}

func run(ctx context.Context, args []string, out, progressTo io.Writer) error {
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.SetOutput(progressTo)
	data := flags.String("data", "", "`folder` of the data, with journey, olist and ukretail in it; without it small generated sets are replayed")
	only := flags.String("set", "all", "journey, olist, ukretail or all")
	db := flags.String("db", "", "SQLite `file` to keep everything in, which must not exist yet (default a temporary one, removed afterwards)")
	kind := flags.String("store", "sqlite", "sqlite or memory")
	journal := flags.String("journal", "", "`file` to export the book to, for hledger; with several sets, one per set")
	whatIf := flags.String("whatif", "", "`file` of a program as JSON, with the id "+program+": what it would have given in ukretail")
	if err := flags.Parse(args); err != nil {
		return err
	}
	sets := slices.DeleteFunc(allSets(), func(s set) bool { return *only != "all" && s.name != *only })
	if len(sets) == 0 || flags.NArg() > 0 {
		return fmt.Errorf("replay: no set %q: choose journey, olist, ukretail or all with -set", strings.Join(append(flags.Args(), *only), " "))
	}
	changed, err := readWhatIf(*whatIf, sets)
	if err != nil {
		return err
	}
	stores, err := openStores(*kind, *db)
	if err != nil {
		return err
	}
	s := &session{stores: stores, progress: newProgress(progressTo), whatIf: changed}
	if *journal != "" {
		s.journal = func(set string) (io.WriteCloser, error) { return os.Create(journalFile(*journal, set, len(sets) > 1)) }
	}
	fmt.Fprintln(out, "Kept in", stores)
	return errors.Join(replay(ctx, s, sets, *data, out), stores.close())
}

// replay goes through the sets and prints a report of each. It fails when a
// promise was not kept in one of them.
func replay(ctx context.Context, s *session, sets []set, folder string, out io.Writer) error {
	broken := 0
	for _, set := range sets {
		src, real := openFolder(folder, set.name)
		if !real {
			fmt.Fprintf(out, "\nNo data for %s%s: replaying a small generated set instead.\n", set.name, whereLooked(folder, set.name))
			src = set.generate().source()
		}
		r, err := set.replay(ctx, s, src)
		if err != nil {
			s.progress.abandon()
			return fmt.Errorf("replay: %s: %w", set.name, err)
		}
		r.print(out)
		broken += len(r.broken)
	}
	if broken > 0 {
		return fmt.Errorf("replay: %d checks failed: see the lines marked WRONG", broken)
	}
	return nil
}

func whereLooked(folder, set string) string {
	if folder == "" {
		return " (name their folder with -data)"
	}
	return fmt.Sprintf(" (there is no folder %s)", filepath.Join(folder, set))
}

// journalFile names the file for one of several sets: books.journal becomes
// books-olist.journal.
func journalFile(path, set string, several bool) string {
	if !several {
		return path
	}
	if dot := strings.LastIndexByte(path, '.'); dot > strings.LastIndexAny(path, `/\`) {
		return path[:dot] + "-" + set + path[dot:]
	}
	return path + "-" + set
}
